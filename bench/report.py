"""How measurements are printed: numbers, promises, and rows of Markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

THREE_DIGITS = 1000


class Peer(NamedTuple):
    """Something to be measured beside."""

    name: str
    promised: float | None
    """How many times as fast ours is to be."""


def met(kept: bool) -> str:  # noqa: FBT001 - it reads well
    """Say whether a promise is kept."""
    return "met" if kept else "NOT met"


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return the median, the smallest and the largest."""
    middle, low, high = (f"{each:.{digits}f}" for each in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"


def numbers(values: Sequence[float]) -> list[str]:
    """Return numbers with three digits, large ones with all before the point."""
    return [f"{value:#.3g}".rstrip(".") if abs(value) < THREE_DIGITS else f"{value:,.0f}" for value in values]


def heading(*cells: str) -> None:
    """Print the first two lines of a Markdown table."""
    row(*cells)
    row(*["---"] * len(cells))


def row(*cells: str) -> None:
    """Print a row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)
