"""The curves of a training as they are drawn: thinned, and with what has happened on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gpt_notebook.figures.chart import WIDTH, Chart, Line, Plot
from gpt_notebook.figures.colors import INK

TRAINING, VALIDATION = "rgba(36,134,236,0.75)", "rgb(235,125,10)"
"""Blue and orange: told apart by those who don't see red or green, too."""
OTHERS = ("rgb(0,158,115)", "rgb(204,121,167)", "rgb(140,109,49)", "rgb(86,140,200)")
"""Those of other trainings; of more than these some look alike."""
MAX_POINTS = 4000
"""Of a curve; of more steps the means of neighbours are drawn."""
LOSS, RATE, STEP = "loss (nats a token)", "learning rate", "step"

Points = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A validation."""

    step: int
    loss: float
    perplexity: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingCurves:
    """What is drawn of a training."""

    name: str
    losses: Sequence[tuple[float, float]] = ()
    """Of each step, nats a token."""
    learning_rates: Sequence[tuple[float, float]] = ()
    validations: Sequence[Checked] = ()
    best: int | None = None
    """The step of the best validation."""
    marks: Sequence[tuple[float, str]] = ()
    """At which step something has happened, and what: pauses, and where the memory did not suffice."""

    @property
    def best_ones(self) -> list[Checked]:
        """The best validation, if it is known."""
        return [each for each in self.validations if each.step == self.best]


def chart(curves: TrainingCurves, *, width: float = WIDTH, height: float = 300) -> Chart:
    """Return a chart of the losses, and below it of the learning rate."""
    checked = [(each.step, each.loss) for each in curves.validations]
    best = [(each.step, each.loss) for each in curves.best_ones]
    losses = [Line(points=thinned(curves.losses), color=TRAINING, name="training", width=1.5)]
    if checked:
        losses.append(Line(points=checked, color=VALIDATION, name="validation", has_points=True))
    if best:
        losses.append(Line(points=best, color=VALIDATION, name="best", has_line=False, has_points=True, size=11))
    rate = Line(points=thinned(curves.learning_rates), color=INK, width=1.5)
    return Chart(
        plots=[
            Plot(lines=losses, title="loss", top=28, bottom=height - 128),
            Plot(lines=[rate], title="rate", top=height - 104, bottom=height - 48),
        ],
        across=STEP,
        height=height,
        width=width,
        marks=curves.marks,
    )


def thinned(points: Sequence[tuple[float, float]]) -> Points:
    """Return at most `MAX_POINTS` points: each the mean of as many neighbours as it takes, at the last of their steps."""
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    width = -(-len(finite) // MAX_POINTS) or 1
    groups = [finite[start : start + width] for start in range(0, len(finite), width)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]
