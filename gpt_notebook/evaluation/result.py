"""What an evaluation found: measures over all tokens and of each row, one's own metrics, and what was chosen among labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gpt_notebook.display.quantities import counted
from gpt_notebook.display.reports import Report, Table
from gpt_notebook.evaluation.classification import Classification
from gpt_notebook.job_protocol import Evaluated

if TYPE_CHECKING:
    import numpy as np

FAILURES_SHOWN = 3
LONGEST_NAME = 40
"""Characters of a model's name, of which the end tells more: it may be a path."""


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What a model makes of tokens that count."""

    loss_sum: float
    """The sum of their negative natural-log probabilities."""
    tokens: int
    correct: int
    """For how many the most probable token was the right one."""
    cut: int = 0
    """How many tokens were left out."""

    @classmethod
    def of(cls, event: Evaluated) -> Measures:
        """Return those of a sample; a loss that is no number has no word in JSON."""
        loss: float | None = event.loss
        loss = math.nan if loss is None else loss
        return cls(loss_sum=loss, tokens=event.tokens, correct=event.correct, cut=event.cut)

    def __add__(self, other: Measures | None) -> Measures:
        if other is None:
            return self
        return Measures(
            loss_sum=self.loss_sum + other.loss_sum,
            tokens=self.tokens + other.tokens,
            correct=self.correct + other.correct,
            cut=self.cut + other.cut,
        )

    @property
    def loss(self) -> float:
        """The mean over the tokens, in nats; NaN of none."""
        return self.loss_sum / self.tokens if self.tokens else math.nan

    @property
    def perplexity(self) -> float:
        """`exp` of the loss."""
        try:
            return math.exp(self.loss)
        except OverflowError:
            return math.inf

    @property
    def accuracy(self) -> float:
        """The share of the tokens for which the most probable one was right; NaN of none."""
        return self.correct / self.tokens if self.tokens else math.nan


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Evaluation:
    """How well a model does on data."""

    model: str
    by_row: tuple[Measures | None, ...]
    """The measures of each row; None for one that was left out."""
    completions: tuple[str | None, ...] = ()
    """What the model said to each prompt, where a metric asked for that; None where it could not."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The mean of each metric over the rows that have a value."""
    values: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    """The value of each metric for each row."""
    failures: Mapping[int, str] = field(default_factory=dict)
    """Of the rows on which a metric failed, why."""
    classification: Classification | None = None
    """What was chosen among labels, where the completions are labels."""
    log_likelihoods: np.ndarray[tuple[int, int], np.dtype[np.float64]] | None = None
    """Of each label after each prompt, its end included, shape (row, label), natural log; NaN for rows that were left out."""
    baseline: Evaluation | None = None
    """The same of the model to compare with."""
    warnings: tuple[str, ...] = ()

    @property
    def measures(self) -> Measures:
        """Those over all tokens that count."""
        rows = [each for each in self.by_row if each is not None]
        return Measures(
            loss_sum=math.fsum(each.loss_sum for each in rows),
            tokens=sum(each.tokens for each in rows),
            correct=sum(each.correct for each in rows),
        )

    @property
    def loss(self) -> float:
        """The mean negative log-likelihood of a token, in nats."""
        return self.measures.loss

    @property
    def perplexity(self) -> float:
        """`exp` of the loss."""
        return self.measures.perplexity

    @property
    def accuracy(self) -> float:
        """The share of the tokens that were the most probable ones; of labels see `classification`."""
        return self.measures.accuracy

    @property
    def tokens(self) -> int:
        """How many tokens count."""
        return self.measures.tokens

    def __len__(self) -> int:
        return len(self.by_row)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {value}" for name, value in self._numbers())
        return f"<Evaluation {_short(self.model)}: {numbers}, {counted(len(self), 'row')}>"

    def _numbers(self) -> Iterator[tuple[str, str]]:
        measures = self.measures
        yield "loss", f"{measures.loss:.4f}"
        yield "perplexity", f"{measures.perplexity:.4g}"
        yield "token accuracy", f"{measures.accuracy:.3f}"
        for name, value in self.metrics.items():
            yield name, f"{value:.4g}"
        if self.classification is not None:
            yield "label accuracy", f"{self.classification.accuracy:.3f}"
            yield "macro F1", f"{self.classification.macro.f1:.3f}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        report = self._report()
        return {"text/plain": report.text(), "text/html": report.html()}

    def _report(self) -> Report:
        found = [self] if self.baseline is None else [self, self.baseline]
        names = list(dict.fromkeys(name for each in found for name, _ in each._numbers()))  # noqa: SLF001 - our own kind
        rows = []
        for each in found:
            numbers = dict(each._numbers())  # noqa: SLF001
            rows.append((_short(each.model), *(numbers.get(name, "") for name in names)))
        table = Table(("model", *names), rows, numeric=frozenset(range(1, len(names) + 1)))
        details = () if self.classification is None else self.classification.tables()
        return Report((table, *details), " · ".join((self._extent, *self.warnings, *self._failed)))

    @property
    def _extent(self) -> str:
        return f"{counted(len(self), 'row')}, {self.tokens:,} tokens count"

    @property
    def _failed(self) -> tuple[str, ...]:
        if not self.failures:
            return ()
        shown = "; ".join(f"row {row}: {why}" for row, why in list(self.failures.items())[:FAILURES_SHOWN])
        more = " …" if len(self.failures) > FAILURES_SHOWN else ""
        return (f"no value for {counted(len(self.failures), 'row')}: {shown}{more}",)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]
