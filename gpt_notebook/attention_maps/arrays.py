"""The arrays that are given out, with their axes told where each is returned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float32]]
    """What the model kernel computes."""
    Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
    """One number a head, shape (layer, head)."""
    Vector = np.ndarray[tuple[int], np.dtype[np.float64]]


def matrix(values: Iterable[Iterable[float | None]]) -> Matrix:
    """Return numbers as an array, shape (layer, head), with NaN for None."""
    import numpy as np

    return np.array([[np.nan if each is None else each for each in row] for row in values], np.float64)
