"""Long computations in small pieces, so that a running generation hardly notices them."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from typing import Self

import torch

from gpt_notebook.model_kernel.scheduler import Work

GROWTH = 4.0
"""How much larger one piece may be than the one before."""
MOST_UNITS = 2.0**20
"""What a row of pieces that all were quicker than allowed can grow to."""


class Computation(Work):
    """Work that is written as a generator and yields where it can be interrupted; `emit` what it finds."""

    patient = True

    def __init__(self) -> None:
        """Begin before the first piece."""
        super().__init__()
        self._pieces: Iterator[None] | None = None
        self._until = 0.0

    @abstractmethod
    def pieces(self) -> Iterator[None]:
        """Do all of it, and yield between pieces of about `self.seconds` each."""

    def due(self) -> bool:
        """Whether the piece has taken its time; for computations that are many small tiles."""
        return time.perf_counter() >= self._until

    def step(self) -> bool:
        """Do one piece."""
        self.check_cancelled()
        self._until = time.perf_counter() + self.seconds
        if self._pieces is None:
            self._pieces = self.pieces()
        with torch.inference_mode():
            try:
                next(self._pieces)
            except StopIteration:
                return False
        return True


class Pace:
    """How much to do at a time: learns from each piece how long the next one will take."""

    def __init__(self, first: int) -> None:
        """Begin with `first` units of work."""
        self._size = float(first)
        self._started = 0.0
        self._wanted = 0.0

    def units(self, seconds: float, *, least: int = 1) -> int:
        """Return how many units to do in the coming piece, which is to take about `seconds`; use it as a context."""
        self._wanted = seconds
        return max(least, int(self._size))

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        taken = max(time.perf_counter() - self._started, 1e-6)
        grown = self._size * min(GROWTH, max(1 / GROWTH, self._wanted / taken))
        self._size = min(max(1.0, grown), MOST_UNITS)
