"""What the model would say without some heads.

A head's output is changed on its way to the output projection, by the observer of one forward pass: the shared model is
never edited, and nobody else's pass is touched. `patching` puts something else in the output's place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from gpt_notebook.attention_protocol import Ablated
from gpt_notebook.model_kernel.attention.calls import AttentionCall
from gpt_notebook.model_kernel.attention.prediction import Prediction
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.refusals import Refusals
from gpt_notebook.model_kernel.loaded_model import LoadedModel


class Ablation(Prediction):
    """Predicts the next token with and without some heads, and emits an `Ablated`."""

    passes = 2

    def __init__(
        self,
        model: LoadedModel,
        token_ids: Sequence[int],
        heads: Sequence[tuple[int, int]],
        *,
        position: int = -1,
        k: int = 10,
    ) -> None:
        """Take a text, the heads to switch off as (layer, head), and the position whose successor is predicted.

        Raises:
            ModelUnsupported: the model predicts no next token.
            InvalidRequest: the position is not in the text.
        """
        super().__init__(model, token_ids, position=position, k=k)
        self._heads = heads

    def pieces(self) -> Iterator[None]:
        """Read the text twice.

        Raises:
            InvalidRequest: one of the heads is not there.
        """
        layout = layout_of(self.model)
        Refusals(layout, self.model.source.name, "decoder").check_heads(self._heads)
        before = (yield from self.read(layout)).double().log_softmax(-1)
        yield
        after = (yield from self.read(layout, observer=_Without(self._heads))).double().log_softmax(-1)
        self.emit(
            Ablated(
                position=len(self.token_ids) - 1,
                kl=kullback_leibler(before, after),
                before=self.most_probable(before),
                after=self.most_probable(after),
            )
        )


def kullback_leibler(before: torch.Tensor, after: torch.Tensor) -> float:
    """Return the Kullback-Leibler divergence of `after` from `before`, in nats: sum p ln(p / q), p before.

    Args:
        before: logprobs (vocabulary,), float64; minus infinity where a token is impossible.
        after: the same.
    """
    p = before.exp()
    # What is impossible before adds nothing, however impossible it is after.
    terms = torch.where(p > 0, p * (before - after), 0.0)
    return float(terms.sum().clamp(min=0.0))


class _Without:
    """Makes the outputs of some heads zero."""

    def __init__(self, heads: Sequence[tuple[int, int]]) -> None:
        self._heads: dict[int, list[int]] = {}
        for layer, head in heads:
            self._heads.setdefault(layer, []).append(head)

    def attended(self, call: AttentionCall) -> torch.Tensor | None:
        if call.layer not in self._heads:
            return None
        output = call.output.clone()
        output[:, :, self._heads[call.layer]] = 0.0
        return output
