"""Who comes when, where several are measured in turns on a machine whose speed drifts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Side = TypeVar("Side")


def fair_rounds(sides: Sequence[Side], count: int) -> Iterator[list[Side]]:
    """Give all sides in the order of each round: every other round goes backwards.

    Who always came first would gain from a machine that slows down, round after round, and lose on one that recovers.
    """
    for number in range(count):
        yield [*reversed(sides)] if number % 2 else [*sides]
