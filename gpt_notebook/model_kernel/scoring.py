"""The log-likelihood of given texts, and the distribution of the next token: the model reads, and nothing is drawn."""

from __future__ import annotations

from collections.abc import Sequence as Ids

import torch

from gpt_notebook.model_kernel import sampling
from gpt_notebook.model_kernel.generation import Generation
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.scheduler import Work
from gpt_notebook.model_kernel.sequence import Sequence
from gpt_notebook.model_kernel.served import Served
from gpt_notebook.protocol import Scored, TextScore, Token


class Scoring(Work):
    """Scores one text at each step, and emits a `Scored` for each."""

    def __init__(self, model: LoadedModel, texts: Ids[tuple[list[int], list[int]]], *, alternatives: int = 0) -> None:
        """Take, for each text, the ids before it and the ids to be scored, not both empty; and how many alternatives to tell."""
        super().__init__()
        self._alternatives = alternatives
        self._model = model
        self._texts = list(texts)
        self._next = 0

    def step(self) -> bool:
        """Score the next text."""
        self.check_cancelled()
        if self._next == len(self._texts):
            return False
        before, scored = self._texts[self._next]
        self._next += 1
        self.emit(Scored(score=self._score(before, scored)))
        return True

    def _score(self, before: list[int], scored: list[int]) -> TextScore:
        ids = before + scored
        # The logits after the last token predict what isn't there.
        logits = Sequence(self._model).read(ids[:-1], all_logits=True) if len(ids) > 1 else None  # (token, vocabulary)
        values: list[float | None] = [None] * len(ids)
        places: list[sampling.Considered | None] = [None] * len(ids)
        if logits is not None:
            chosen = torch.tensor(ids[1:], device=logits.device)  # (token,)
            logprobs = logits.log_softmax(-1)
            values[1:] = logprobs.gather(-1, chosen[:, None])[:, 0].tolist()
            if self._alternatives:
                first = max(1, len(before))
                places[first:] = map(self._considered, logprobs[first - 1 :], ids[first:])
        stream = self._model.vocabulary.stream(before)
        tokens: list[Token] = []
        for token_id, value, place in zip(scored, values[len(before) :], places[len(before) :], strict=True):
            tokens += stream.add(self._model.vocabulary.token(token_id, value, place))
        tokens += stream.flush()
        return TextScore(tokens=tuple(tokens), logprob=sum(v for v in values[len(before) :] if v is not None))

    def _considered(self, logprobs: torch.Tensor, token_id: int) -> sampling.Considered:
        """Return what else there was at a place with these logprobs (vocabulary,)."""
        top = sampling.top_tokens(logprobs, self._alternatives)
        return sampling.Considered(
            top=[(each, value, None) for each, value in top],
            rank=1 + int((logprobs > logprobs[token_id]).sum()),
            entropy=sampling.entropy(logprobs),
        )


class NextToken(Generation):
    """A prompt that nothing follows: it is read as that of a generation is, and the most probable next tokens are emitted."""

    def __init__(self, served: Served, token_ids: list[int], k: int) -> None:
        """Take the ids of a prompt, at least one."""
        super().__init__(served, token_ids)
        self._k = k

    def has_read(self, row: sampling.Logits) -> None:
        """Emit the most probable tokens."""
        for token_id, logprob in sampling.top_tokens(torch.from_numpy(row), self._k, sampling.log_sum(row)):
            self.emit(self.served.model.vocabulary.token(token_id, logprob))
