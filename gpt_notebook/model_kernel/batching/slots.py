"""The slots of the running rows: the keys and values of all of them in one tensor a layer, so that a step is one pass.

The rows that run lie side by side from slot 0 on; when one leaves, the last one takes its place. The number of slots and
their length are powers of two, so that rows seldom have to be moved to larger ones. When one of them has to grow, both
become what the rows need by then, so that the other may shrink. A step sees as many slots as rows run.
"""

from __future__ import annotations

import torch

from gpt_notebook.model_kernel.batching.cache import CacheShape, SequenceCache

LEAST_CAPACITY = 256
"""Tokens that a slot has at least."""
KEPT = 64 * 2**20
"""Bytes of slots that are kept when nobody runs: for the next request they are there at once."""


class Slots:
    """The slots of one model."""

    def __init__(self, shape: CacheShape, context_length: int) -> None:
        """Begin with none; a context length of 0 is no limit."""
        self.shape = shape
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []
        """By layer: (slot, key head, token, dimension)."""
        self.lengths: list[int] = []
        """How many tokens of each running row have been read."""
        self.reserved: list[int] = []
        """How many each of them may come to."""
        self._context_length = context_length
        self.capacity = 0
        """How many tokens each has room for."""
        self._count = 0

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def bytes(self) -> int:
        """What they take."""
        return sum(each.nbytes for each in (*self.keys, *self.values))

    def _bytes(self, count: int, capacity: int) -> int:
        return count * capacity * self.shape.bytes_per_token

    def bytes_with(self, length: int) -> int:
        """Return what they would take with one more row of up to `length` tokens."""
        return self._bytes(*self._size_with(length))

    def _size_with(self, length: int) -> tuple[int, int]:
        """Return the count and the capacity for one more row."""
        count, longest = len(self) + 1, max((*self.reserved, length))
        if count <= self._count and longest <= self.capacity:
            return self._count, self.capacity
        return _power_of_two(count), capacity_for(longest, self._context_length)

    def add(self, cache: SequenceCache, length: int) -> None:
        """Give a slot to a sequence that has been read so far, and may come to `length` tokens."""
        self._resize(*self._size_with(length))
        slot, read = len(self), len(cache)
        for mine, theirs in zip((*self.keys, *self.values), (*cache.keys, *cache.values), strict=True):
            mine[slot, :, :read] = theirs[:, :read]
        self.lengths.append(read)
        self.reserved.append(length)

    def cache_of(self, slot: int, token_ids: list[int]) -> SequenceCache:
        """Return a copy of the row in a slot, of which these tokens have been read."""
        cache = SequenceCache(self.shape, len(token_ids))
        cache.fill([each[slot] for each in self.keys], [each[slot] for each in self.values], token_ids)
        return cache

    def remove(self, slot: int) -> None:
        """Take a row away; the last one moves into its slot."""
        last = len(self) - 1
        gone, moved = self.lengths[slot], self.lengths[last]
        for each in (*self.keys, *self.values):
            # Nothing attends to what would be left, but nothing times infinity would still be no number. Behind what has
            # been read there is a token more when its pass has failed.
            if slot != last:
                each[slot, :, :moved] = each[last, :, :moved]
                each[slot, :, moved : gone + 1].zero_()
            each[last, :, : moved + 1].zero_()
        self.lengths[slot], self.reserved[slot] = self.lengths[last], self.reserved[last]
        self.lengths.pop()
        self.reserved.pop()
        if not self.lengths and self.bytes > KEPT:
            self.clear()

    def clear(self) -> None:
        """Let everything go."""
        self.keys, self.values, self.lengths, self.reserved = [], [], [], []
        self._count = self.capacity = 0

    def _resize(self, count: int, capacity: int) -> None:
        if (count, capacity) == (self._count, self.capacity):
            return
        running, used = len(self), max(self.lengths, default=0)
        if not running:
            self.clear()  # before there is something new
            keys, values = self.shape.empty(capacity, (count,))
            for each in (*keys, *values):
                each.zero_()
            self.keys, self.values = keys, values
        # What every layer has room for, should the memory not suffice for all of them.
        self._count, self.capacity = min(self._count, count), min(self.capacity, capacity)
        for table in (self.keys, self.values):
            # Layer by layer, so that old and new exist together for one layer only.
            for layer, old in enumerate(table) if running else ():
                new = old.new_zeros(count, old.shape[1], capacity, old.shape[3])
                new[:running, :, :used] = old[:running, :, :used]
                table[layer] = new
        self._count, self.capacity = count, capacity


def capacity_for(length: int, context_length: int) -> int:
    """Return how many tokens a slot has room for whose row may come to `length`; a context length of 0 is no limit."""
    capacity = max(_power_of_two(length), LEAST_CAPACITY)
    return max(min(capacity, context_length), length) if context_length else capacity


def _power_of_two(number: int) -> int:
    """Return the first power of two that is not smaller."""
    return 1 << (number - 1).bit_length()
