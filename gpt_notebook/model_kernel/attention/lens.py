"""The logit lens: what the model would say if it ended after each of its layers.

Source: nostalgebraist, "interpreting GPT: the logit lens", 2020,
https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import torch
from torch import nn

from gpt_notebook.attention_protocol import Lens
from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel import sampling
from gpt_notebook.model_kernel.attention.checks import refuse_unless_causal, text_until
from gpt_notebook.model_kernel.attention.head import Stack, agree, ends_of, output_of, stack_of
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.reading import read
from gpt_notebook.model_kernel.attention.recording import REPORT_TOKENS
from gpt_notebook.model_kernel.loading import LoadedModel
from gpt_notebook.protocol import Progress, Token


class LogitLens(Computation):
    """Puts the state after the embeddings and after each layer through the model's end, and emits a `Lens`."""

    def __init__(self, model: LoadedModel, token_ids: Sequence[int], *, position: int = -1, k: int = 10) -> None:
        """Take a text and the position to look at.

        Raises:
            ModelUnsupported: the model predicts no next token.
            InvalidRequest: the position is not in the text.
        """
        super().__init__()
        refuse_unless_causal(model, "lens")
        self._model = model
        self._token_ids = text_until(token_ids, position)
        self._k = k

    def pieces(self) -> Iterator[None]:
        """Read the text, then look.

        Raises:
            ModelUnsupported: what the model does after its last layer could not be told for certain.
        """
        layout = layout_of(self._model)
        stack = stack_of(self._model.module, layout.n_layers)
        if stack is None:
            raise self._refusal()
        states, own = yield from self._read(layout, stack.layers[-1])
        if len(states) != layout.n_layers + 1:
            raise self._refusal()
        yield
        logits = self._logits(stack, states, own)  # (state, vocabulary)
        self.emit(
            Lens(
                position=len(self._token_ids) - 1,
                layers=tuple(self._most_probable(row) for row in logits.double().log_softmax(-1)),
            )
        )

    def _read(self, layout: Layout, last: nn.Module) -> Generator[None, None, tuple[list[torch.Tensor], torch.Tensor]]:
        """Return the states (dimension,) at the last token, before the first layer and after each, and its logits."""
        states: list[torch.Tensor] = []

        def keep(hidden: tuple[torch.Tensor, ...]) -> None:
            states[:] = [each[-1] for each in hidden]

        reading = read(self, self._model, layout, self._token_ids, on_hidden=keep, on_progress=self._tell)
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
        for end in ends_of(self._model.module, stack):
            try:
                logits = end(torch.stack(states)).cpu()
            except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                continue
            if agree(logits[-1], own, self._model.dtype):
                return logits
        raise self._refusal()

    def _refusal(self) -> ModelUnsupported:
        name, family = self._model.source.name, self._model.module.config.model_type
        message = (
            f"the lens does not know how {name} ({family}) goes from its last layer to logits, and shows nothing rather "
            "than something wrong: choose a model of another family"
        )
        return ModelUnsupported(message)

    def _most_probable(self, logprobs: torch.Tensor) -> tuple[Token, ...]:
        best = sampling.top_logprobs(logprobs, self._k)
        return tuple(self._model.vocabulary.token(token_id, logprob) for token_id, logprob in best)

    def _tell(self, done: int) -> None:
        if (total := len(self._token_ids)) > REPORT_TOKENS:
            self.emit(Progress(stage="computing", model=self._model.source.name, done=done, total=total))
