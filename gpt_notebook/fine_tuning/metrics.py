"""The numbers and texts of a job by step, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

from gpt_notebook.job_events import JobEvent, Probed, StepDone, Validated

STEP_COLUMNS = ("step", "epoch", "loss", "learning_rate", "grad_norm", "tokens", "seconds", "memory")
"""What is known of a step, as the fields of its event are called."""
VALIDATION_COLUMNS = ("validation_loss", "perplexity", "accuracy")
SAMPLE_COLUMNS = ("step", "prompt", "text")

Rows = list[dict[str, Any]]


def metrics(events: Iterable[JobEvent]) -> Rows:
    """Return a row for each step, with the numbers of its validation where there was one.

    Args:
        events: Those that count, each step once.
    """
    rows: dict[int, dict[str, Any]] = {}

    def row(step: int) -> dict[str, Any]:
        return rows.setdefault(step, {**dict.fromkeys((*STEP_COLUMNS, *VALIDATION_COLUMNS)), "step": step})

    for event in events:
        if isinstance(event, StepDone):
            row(event.step).update({name: getattr(event, name) for name in STEP_COLUMNS})
        elif isinstance(event, Validated):
            found = (event.loss, event.perplexity, event.accuracy)
            row(event.step).update(zip(VALIDATION_COLUMNS, found, strict=True))
    return [rows[step] for step in sorted(rows)]


def samples(events: Iterable[JobEvent]) -> Rows:
    """Return what the model made of each probe, by step.

    Args:
        events: Those that count, each step once.
    """
    found = {(e.step, e.index): e for e in events if isinstance(e, Probed)}
    return [{"step": step, "prompt": found[step, i].prompt, "text": found[step, i].text} for step, i in sorted(found)]


def as_table(rows: Rows, columns: Sequence[str] = ()) -> Any:
    """Return rows as a DataFrame where pandas is installed, else as they are."""
    if find_spec("pandas") is None:
        return rows
    import pandas as pd

    return pd.DataFrame(rows, columns=list(rows[0]) if rows else list(columns))
