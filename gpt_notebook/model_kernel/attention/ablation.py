"""What the model would say without some heads.

A head's output is changed on its way to the output projection, by the observer of one forward pass: the shared model is
never edited, and nobody else's pass is touched. `patching` puts something else in the output's place.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import torch

from gpt_notebook.attention_protocol import Ablated
from gpt_notebook.model_kernel import sampling
from gpt_notebook.model_kernel.attention.calls import AttentionCall, Observer
from gpt_notebook.model_kernel.attention.checks import check_heads, refuse_unless_causal, text_until
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.reading import read
from gpt_notebook.model_kernel.attention.recording import REPORT_TOKENS
from gpt_notebook.model_kernel.loading import LoadedModel
from gpt_notebook.protocol import Progress, Token


class Ablation(Computation):
    """Predicts the next token with and without some heads, and emits an `Ablated`."""

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
        super().__init__()
        refuse_unless_causal(model, "ablate")
        self._model = model
        self._token_ids = text_until(token_ids, position)
        self._heads = heads
        self._k = k

    def pieces(self) -> Iterator[None]:
        """Read the text twice.

        Raises:
            InvalidRequest: one of the heads is not there.
        """
        layout = layout_of(self._model)
        check_heads(self._model, layout, self._heads)
        before = yield from self._logprobs(layout, None, 0)
        yield
        after = yield from self._logprobs(layout, _Without(self._heads), len(self._token_ids))
        self.emit(
            Ablated(
                position=len(self._token_ids) - 1,
                kl=divergence(before, after),
                before=self._most_probable(before),
                after=self._most_probable(after),
            )
        )

    def _logprobs(
        self, layout: Layout, observer: Observer | None, read_before: int
    ) -> Generator[None, None, torch.Tensor]:
        """Return the logprobs (vocabulary,) of the next token, float64."""

        def tell(done: int) -> None:
            if (total := len(self._token_ids)) > REPORT_TOKENS:
                name = self._model.source.name
                self.emit(Progress(stage="computing", model=name, done=read_before + done, total=2 * total))

        logits = yield from read(
            self, self._model, layout, self._token_ids, observer=observer, on_progress=tell
        )  # (vocabulary,)
        return logits.double().log_softmax(-1)

    def _most_probable(self, logprobs: torch.Tensor) -> tuple[Token, ...]:
        best = sampling.top_logprobs(logprobs, self._k)
        return tuple(self._model.vocabulary.token(token_id, logprob) for token_id, logprob in best)


def divergence(before: torch.Tensor, after: torch.Tensor) -> float:
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
