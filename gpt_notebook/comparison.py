"""The same prompt on several models: what each says, side by side, and how likely each finds what the others have said.

Knows completions and their tokens; asks nobody for them, which is the business of `comparing`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gpt_notebook.completion import Completion
from gpt_notebook.protocol import Token

Reading = tuple[Token, ...]
"""The tokens of a completion's text as a model reads them after its own prompt, each with its logprob."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """The completions of a prompt by several models, or with several adapters; shows itself in columns."""

    completions: tuple[Completion, ...]
    """One a model."""
    readings: tuple[tuple[Reading | None, ...], ...] = ()
    """`readings[i][j]`: completion i as model j reads it; None where it can't, such as a text longer than its context."""

    def log_likelihood(self, completion: int, model: int) -> float | None:
        """Return the natural log-likelihood of a completion's text under a model, in nats; None where it is not known."""
        reading = self._reading(completion, model)
        return None if reading is None else math.fsum(token.logprob or 0.0 for token in reading)

    def disagreement(self, completion: int, model: int) -> tuple[float, ...] | None:
        """Return by how much likelier each token of a completion is for its own model than for another, in nats.

        Where the two cut the text otherwise, tokens are taken together up to the next character at which both have an end, and
        the difference is shared among them.

        Returns:
            One number a token of `completions[completion].tokens`; None where the other model's reading is not known.
        """
        own, other = self.completions[completion].tokens, self._reading(completion, model)
        if other is None:
            return None
        found = [0.0] * len(own)
        for mine, theirs in aligned(own, other):
            difference = math.fsum(own[at].logprob or 0.0 for at in mine) - math.fsum(
                other[at].logprob or 0.0 for at in theirs
            )
            for at in mine:
                found[at] = difference / len(mine)
        return tuple(found)

    def _reading(self, completion: int, model: int) -> Reading | None:
        if completion == model:
            return self.completions[completion].tokens
        return self.readings[completion][model] if self.readings else None

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(each.model for each in self.completions)}>"

    def __str__(self) -> str:
        from gpt_notebook.display.comparison_html import plain_text

        return plain_text(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        from gpt_notebook.display.comparison_html import comparison_bundle

        return comparison_bundle(self)


def aligned(first: Sequence[Token], second: Sequence[Token]) -> Iterator[tuple[range, range]]:
    """Give which tokens of two readings of one text cover the same characters, as few as may be together."""
    ends = [
        list(itertools.accumulate(0 if token.special else len(token.text) for token in tokens))
        for tokens in (first, second)
    ]
    begins = [0, 0]
    for end in sorted({*ends[0]} & {*ends[1]} - {0}):
        # A token of no characters begins the next one, of which it is a piece.
        stops = [each.index(end) + 1 for each in ends]
        yield range(begins[0], stops[0]), range(begins[1], stops[1])
        begins = stops
