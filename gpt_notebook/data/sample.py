"""A sample of data that are too many to be looked at whole: rows from everywhere, the same ones each time.

All rows are read and checked, but only those that are kept are sent. Where there are too many of them every second one goes,
and from then on only every second, fourth, eighth … row is taken, so that they stay evenly spread.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from gpt_notebook.cancellation import check_cancelled
from gpt_notebook.data.dataset import Dataset

MOST_ROWS = 5000
"""Data of up to so many rows are taken whole; of more at least half as many are."""
MOST_BYTES = 16_000_000
LOOK_ROWS = 1000
"""How often it is looked whether anybody still waits."""


@dataclass(frozen=True)
class Sample:
    """Some rows of data."""

    lines: tuple[bytes, ...]
    """A line of JSON for each."""
    rows: int
    """How many rows the data have."""

    @property
    def sampled(self) -> int | None:
        """How many rows these are; None where they are all there are."""
        return len(self.lines) if len(self.lines) < self.rows else None


def sample(data: Dataset, *, most: int = MOST_ROWS) -> Sample:
    """Return at most so many rows of data, evenly spread.

    Raises:
        InvalidRequest: a row can't be learnt from, which is named, or there is none.
    """
    lines: list[bytes] = []
    stride, size, count = 1, 0, 0
    for count, row in enumerate(data.rows(), start=1):
        if count % LOOK_ROWS == 0:
            check_cancelled()
        if (count - 1) % stride:
            continue
        lines.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        size += len(lines[-1])
        while len(lines) > 1 and (len(lines) > most or size > MOST_BYTES):
            del lines[1::2]
            stride, size = 2 * stride, sum(map(len, lines))
    return Sample(tuple(lines), count)
