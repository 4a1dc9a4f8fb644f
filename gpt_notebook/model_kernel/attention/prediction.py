"""What a causal model says after one position of a text: what the lens and an ablation have in common."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import torch

from gpt_notebook.model_kernel import sampling
from gpt_notebook.model_kernel.attention.calls import Observer
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.reading import OnHidden, read
from gpt_notebook.model_kernel.attention.recording import REPORT_TOKENS
from gpt_notebook.model_kernel.attention.refusals import text_until
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.model_config import GENERATING
from gpt_notebook.protocol import Progress, Token


class Prediction(Computation):
    """Reads a text up to a position, once or more often, and says which tokens come next."""

    passes = 1
    """How often the text is read."""

    def __init__(self, model: LoadedModel, token_ids: Sequence[int], *, position: int = -1, k: int = 10) -> None:
        """Take a text, the position whose successor is predicted, and how many tokens to give for each prediction.

        Raises:
            ModelUnsupported: the model predicts no next token.
            InvalidRequest: the position is not in the text.
        """
        super().__init__()
        model.refuse_unless(GENERATING)
        self.model = model
        self.token_ids = text_until(token_ids, position)
        self._k = k
        self._passes_done = 0

    def read(
        self, layout: Layout, *, observer: Observer | None = None, on_hidden: OnHidden | None = None
    ) -> Generator[None, None, torch.Tensor]:
        """Read the text, yield between pieces, and return the logits (vocabulary,) of the next token."""
        total = len(self.token_ids)

        def tell(done: int) -> None:
            if total > REPORT_TOKENS:
                done += self._passes_done * total
                name = self.model.source.name
                self.emit(Progress(stage="computing", model=name, done=done, total=self.passes * total))

        logits = yield from read(
            self, self.model, layout, self.token_ids, observer=observer, on_hidden=on_hidden, on_progress=tell
        )
        self._passes_done += 1
        return logits[0]

    def most_probable(self, logprobs: torch.Tensor) -> tuple[Token, ...]:
        """Return the most probable tokens of a distribution (vocabulary,), most probable first, with their logprobs."""
        best = sampling.top_tokens(logprobs, self._k)
        return tuple(self.model.vocabulary.token(token_id, logprob) for token_id, logprob in best)
