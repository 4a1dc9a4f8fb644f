"""Functions that compare what a model says with what was expected: called for each row, and their values gathered.

A function is somebody's own and may fail on a row, or give what is no number; that row is named then, and the others count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpt_notebook.errors import GptNotebookError, InvalidRequest

Metric = Callable[[str, str], float | Mapping[str, float]]
"""Takes the completion and the one that was expected; gives a number, or several by name."""


@dataclass(frozen=True)
class Values:
    """What functions gave."""

    by_name: dict[str, tuple[float | None, ...]]
    """A number for each row, None where there is none."""
    failures: dict[int, str]
    """Of the rows on which something failed, why."""

    @property
    def means(self) -> dict[str, float]:
        """The mean of each over the rows that have a number."""
        found = {name: [value for value in values if value is not None] for name, values in self.by_name.items()}
        return {name: math.fsum(values) / len(values) if values else math.nan for name, values in found.items()}


def functions(metric: Metric | Mapping[str, Metric] | None) -> dict[str, Metric]:
    """Return functions by name; one that is given alone goes by its own.

    Raises:
        InvalidRequest: that is none.
    """
    if metric is None:
        return {}
    named = metric if isinstance(metric, Mapping) else {_name(metric): metric}
    for name, function in named.items():
        if not callable(function) or not isinstance(name, str):
            message = f"metric is a function (completion, expected) -> float, or a dict of them by name, not {name!r:.40}: {function!r:.40}"
            raise InvalidRequest(message, param="metric")
    return dict(named)


def values(
    named: Mapping[str, Metric], completions: Sequence[str | GptNotebookError], expected: Sequence[str]
) -> Values:
    """Return what each function makes of each row.

    Args:
        named: By name.
        completions: What the model generated, or why it generated nothing.
        expected: What it should have generated.

    Raises:
        InvalidRequest: no row has a value; says why the first has none.
    """
    rows: list[dict[str, float]] = []
    failures: dict[int, str] = {}
    for row, completion in enumerate(completions):
        rows.append({})
        if isinstance(completion, GptNotebookError):
            failures[row] = completion.message
            continue
        for name, function in named.items():
            try:
                rows[row] |= _numbers(name, function(completion, expected[row]), alone=len(named) == 1)
            except Exception as error:  # noqa: BLE001 - somebody's own function can fail in any way
                failures.setdefault(row, f"{name}: {_first_line(error)}")
    if named and rows and not any(rows):
        message = f"no row has a value: row 0 failed ({failures[0]})"
        raise InvalidRequest(message, param="metric")
    names = dict.fromkeys(name for row in rows for name in row)
    return Values({name: tuple(row.get(name) for row in rows) for name in names}, failures)


def _numbers(name: str, value: Any, *, alone: bool) -> dict[str, float]:
    """Return the numbers that a function gave, by name."""
    if isinstance(value, Mapping):
        return {str(part) if alone else f"{name} {part}": _number(each) for part, each in value.items()}
    return {name: _number(value)}


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        message = f"gave {value!r:.40}, which is no number"
        raise TypeError(message) from None
    if math.isnan(number):
        message = "gave NaN"
        raise ValueError(message)
    return number


def _name(function: object) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "metric" if name == "<lambda>" else str(name)


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).splitlines()), "")[:200]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
