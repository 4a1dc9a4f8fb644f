"""What should be known of data before a model is trained on them: nothing of it is wrong, and all of it is often meant otherwise."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from gpt_notebook.job_protocol import REPEATED, RUN_TOGETHER
from gpt_notebook.training.samples.rows import Row

MOST_LABELS = 100
"""Completions that differ: with more of them they are no labels."""
LONGEST_LABEL = 80
"""Characters."""
ROWS_PER_LABEL = 4
"""How many rows there are at least for each label, on average, where completions are labels."""
SHOWN = 3
ENDS = ".,:;!?)]}"
"""What a prompt may end with, besides letters and digits, so that a space is missing before a word."""
NEARLY_ALL = 0.9
"""Of the rows: what is so in fewer of them is not a habit of whoever wrote them."""


class DataWarnings:
    """What is seen while rows go by."""

    def __init__(self, tokenizer: Any) -> None:
        """Begin with none seen."""
        special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        self._special = sorted(special)
        self._digests = array("Q")
        self._labels: Counter[str] | None = Counter()
        self._spelled_out = 0
        self._run_together = self._unspaced = 0
        self._uncounted = 0

    @property
    def digests(self) -> npt.NDArray[np.uint64]:
        """What says the same of rows that are the same, shape (row,)."""
        return np.frombuffer(self._digests, np.uint64)

    def row(self, row: Row, *, plain: bool) -> None:
        """Look at a row; `plain` tells that it does not go through a chat template, which keeps what is whose apart."""
        texts = [str(row[key]) for key in sorted(row)]
        digest = hashlib.blake2b("\0".join(texts).encode(), digest_size=8).digest()
        self._digests.append(int.from_bytes(digest, "little"))
        if plain and any(each in text for text in texts for each in self._special):
            self._spelled_out += 1
        if "completion" in row:
            end, begin = row["prompt"][-1:], row["completion"][:1]
            self._run_together += plain and end.isalnum() and begin.isalnum()
            self._unspaced += plain and bool(end) and (end.isalnum() or end in ENDS) and begin.isalnum()
            self._label(row["completion"])

    def nothing_counted(self) -> None:
        """Count a row of which nothing can be learned."""
        self._uncounted += 1

    def _label(self, completion: str) -> None:
        if self._labels is None:
            return
        if len(completion) <= LONGEST_LABEL:
            self._labels[completion] += 1
        if len(completion) > LONGEST_LABEL or len(self._labels) > MOST_LABELS:
            self._labels = None

    def lines(self) -> tuple[str, ...]:
        """Return what was seen, a line each."""
        n_rows = len(self._digests)
        lines = []
        if self._labels and len(self._labels) * ROWS_PER_LABEL <= n_rows:
            once = [label for label, count in self._labels.items() if count == 1]
            if once:
                names = ", ".join(repr(each.strip()) for each in once[:SHOWN]) + (", …" if len(once) > SHOWN else "")
                lines.append(
                    f"{_count(len(once), 'completion')} of few occur only once: {names}; a label needs examples"
                )
        if repeated := n_rows - len(np.unique(self.digests)):
            lines.append(f"{_count(repeated, 'row')} {REPEATED}")
        if self._spelled_out:
            lines.append(
                f"{_count(self._spelled_out, 'row')} with a special token spelled out, which is read as that token"
            )
        unspaced = self._unspaced if self._unspaced >= NEARLY_ALL * n_rows else self._run_together
        if unspaced:
            lines.append(f"{_count(unspaced, 'row')} {RUN_TOGETHER}")
        if self._uncounted:
            lines.append(
                f"{_count(self._uncounted, 'row')} left out: a single token, which nothing can be learned from"
            )
        return tuple(lines)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
