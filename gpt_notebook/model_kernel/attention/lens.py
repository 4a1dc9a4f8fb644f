"""The logit lens: what the model would say if it ended after each of its layers.

Source: nostalgebraist, "interpreting GPT: the logit lens", 2020,
https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import torch
from torch import nn

from gpt_notebook.attention_protocol import Lens
from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.model_end import Stack, ends_of, output_of, stack_of
from gpt_notebook.model_kernel.attention.prediction import Prediction
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.proof import agree


class LogitLens(Prediction):
    """Puts the state after the embeddings and after each layer through the model's end, and emits a `Lens`."""

    def pieces(self) -> Iterator[None]:
        """Read the text, then look.

        Raises:
            ModelUnsupported: what the model does after its last layer could not be told for certain.
        """
        layout = layout_of(self.model)
        stack = stack_of(self.model.module, layout.n_layers)
        if stack is None:
            raise self._refusal()
        states, own = yield from self._read_states(layout, stack.layers[-1])
        if len(states) != layout.n_layers + 1:
            raise self._refusal()
        yield
        logits = self._logits(stack, states, own)  # (state, vocabulary)
        self.emit(
            Lens(
                position=len(self.token_ids) - 1,
                layers=tuple(self.most_probable(row) for row in logits.double().log_softmax(-1)),
            )
        )

    def _read_states(
        self, layout: Layout, last: nn.Module
    ) -> Generator[None, None, tuple[list[torch.Tensor], torch.Tensor]]:
        """Return the states (dimension,) at the last token, before the first layer and after each, and its logits."""
        states: list[torch.Tensor] = []

        def keep(hidden: tuple[torch.Tensor, ...]) -> None:
            states[:] = [each[-1] for each in hidden]

        reading = self.read(layout, on_hidden=keep)
        while True:
            with output_of(last) as seen:
                try:
                    next(reading)
                except StopIteration as end:
                    # The last of transformers' states has been through the norm in most families.
                    return [*states[:-1], seen[-1]], end.value
            yield

    def _logits(self, stack: Stack, states: list[torch.Tensor], own: torch.Tensor) -> torch.Tensor:
        """Return the logits (state, vocabulary) after each layer; the last are the model's `own`, or there are none."""
        for end in ends_of(self.model.module, stack):
            try:
                logits = end(torch.stack(states)).cpu()
            except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                continue
            if agree(logits[-1], own, self.model.dtype):
                return logits
        raise self._refusal()

    def _refusal(self) -> ModelUnsupported:
        name, family = self.model.source.name, self.model.module.config.model_type
        message = (
            f"the lens does not know how {name} ({family}) goes from its last layer to logits, and shows nothing rather "
            "than something wrong: choose a model of another family"
        )
        return ModelUnsupported(message)
