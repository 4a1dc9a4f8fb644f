"""How likely texts are: the arithmetic over the log-likelihoods that the model kernel gives.

All logs are natural. Knows the protocol's scores; asks nobody for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gpt_notebook.protocol import ScoreRequest, TextScore, Token

Normalize = Literal["sum", "mean"]

BATCH_TEXTS = 64
BATCH_CHARACTERS = 400_000
"""A request stays well below the largest body that a model kernel reads, also in text of four bytes a character."""


@dataclass(frozen=True, kw_only=True)
class Perplexity:
    """The perplexity of texts: `exp` of the mean negative log-likelihood of their tokens; `float()` gives the number."""

    tokens: tuple[Token, ...]
    """All tokens of all texts, in order; the first of a text has no logprob where nothing came before it."""
    model: str = ""
    """Whose it is."""

    @property
    def per_token(self) -> tuple[float, ...]:
        """The negative log-likelihood of each token that has one, in nats."""
        return tuple(-token.logprob for token in self.tokens if token.logprob is not None)

    def __float__(self) -> float:
        values = self.per_token
        try:
            return math.exp(math.fsum(values) / len(values)) if values else math.nan
        except OverflowError:
            return math.inf

    def __repr__(self) -> str:
        return f"<Perplexity {float(self):.4g} over {len(self.per_token)} tokens>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        from gpt_notebook.display.perplexity_html import perplexity_bundle

        return perplexity_bundle(self)


def likelihood(score: TextScore, normalize: Normalize) -> float:
    """Return the log-likelihood of a text, or its mean over the tokens."""
    counted = sum(token.logprob is not None for token in score.tokens)
    return score.logprob / counted if normalize == "mean" and counted else score.logprob


def pair_requests(model: str, prompts: Sequence[str], choices: Sequence[str]) -> Iterator[ScoreRequest]:
    """Yield requests for each prompt with each choice, the choices of a prompt together."""
    for pairs in _batches([(prompt, choice) for prompt in prompts for choice in choices]):
        firsts, seconds = zip(*pairs, strict=True)
        yield ScoreRequest(model=model, prompts=firsts, continuations=seconds)


def text_requests(model: str, texts: Sequence[str], *, logprobs: int = 0) -> Iterator[ScoreRequest]:
    """Yield requests for whole texts, with so many alternatives for each token."""
    for batch in _batches([(text,) for text in texts]):
        yield ScoreRequest(model=model, prompts=tuple(text for (text,) in batch), logprobs=logprobs)


def _batches(items: list[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    batch: list[tuple[str, ...]] = []
    size = 0
    for item in items:
        characters = sum(map(len, item))
        if batch and (len(batch) == BATCH_TEXTS or size + characters > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += characters
    if batch:
        yield batch
