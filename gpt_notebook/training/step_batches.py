"""Which samples belong to which step: every sample once an epoch, in an order that only the seed and the epoch decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch.utils.data import Sampler


class StepBatches(Sampler[list[int]]):
    """Gives the samples that are computed together, several of which make a step.

    The samples of a step are drawn; how they share its passes is not, but goes by their length, so that little is padded.
    A step has the same samples however many of them are computed together, which the memory may change on the way.
    """

    def __init__(
        self, sizes: Sequence[int], *, batch_size: int, micro_batch_size: int, seed: int, epoch: Callable[[], int]
    ) -> None:
        """Keep what decides the order.

        Args:
            sizes: The tokens of each sample.
            batch_size: Samples of a step; a multiple of `micro_batch_size`.
            micro_batch_size: Samples that are computed together.
            seed: Of the order.
            epoch: Tells which one begins, counted from 0.
        """
        self._sizes = sizes
        self._batch_size = batch_size
        self._micro_batch_size = micro_batch_size
        self._seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of passes in an epoch."""
        whole, rest = divmod(len(self._sizes), self._batch_size)
        return whole * (self._batch_size // self._micro_batch_size) + math.ceil(rest / self._micro_batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Give the samples of an epoch, pass by pass."""
        # A generator of its own: drawing the order must not move the one that dropout draws from.
        generator = torch.Generator().manual_seed(self._seed + 1_000_003 * self._epoch())
        order = torch.randperm(len(self._sizes), generator=generator).tolist()
        for first in range(0, len(order), self._batch_size):
            step = sorted(order[first : first + self._batch_size], key=lambda i: self._sizes[i], reverse=True)
            for start in range(0, len(step), self._micro_batch_size):
                yield step[start : start + self._micro_batch_size]
