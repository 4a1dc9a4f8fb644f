"""What is drawn of a job, from its packed curve."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator

from gpt_notebook.figures.training_curves import Checked, TrainingCurves
from gpt_notebook.fine_tuning.curve import Curve
from gpt_notebook.fine_tuning.marks import Mark
from gpt_notebook.job_protocol import JobInfo

STOPS = ("paused", "failed", "cancelled")
"""States that are marked, where the job had come to."""


def drawn(curve: Curve, info: JobInfo) -> TrainingCurves:
    """Return the losses, the learning rate, the validations and the marks of a job."""
    steps = curve.column("step")
    return TrainingCurves(
        name=info.name,
        losses=_points(steps, curve.column("loss")),
        learning_rates=_points(steps, curve.column("learning_rate")),
        validations=[
            _checked(mark) for mark in curve.marks if mark["kind"] == "validation" and _is_number(mark["loss"])
        ],
        best=info.best_step,
        marks=list(_marked(curve.marks)),
    )


def _points(steps: array[float], values: array[float]) -> list[tuple[float, float]]:
    return [(int(x), y) for x, y in zip(steps, values, strict=True) if math.isfinite(y)]


def _checked(mark: Mark) -> Checked:
    return Checked(step=mark["step"], loss=mark["loss"], perplexity=mark["perplexity"], accuracy=mark["accuracy"])


def _marked(marks: Iterable[Mark]) -> Iterator[tuple[float, str]]:
    """Give where something has happened, and what; a state that is told again is marked once."""
    before = ""
    for mark in marks:
        if mark["kind"] == "out_of_memory":
            yield mark["step"], "out of memory"
        elif mark["kind"] == "state":
            if mark["state"] in STOPS and mark["state"] != before:
                yield mark["step"], mark["state"]
            before = mark["state"]


def _is_number(loss: float | None) -> bool:
    return loss is not None and math.isfinite(loss)
