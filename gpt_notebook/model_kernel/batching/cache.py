"""The keys and values of one sequence, layer by layer: what a model keeps of the tokens that it has read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class CacheShape:
    """What one token takes in each layer."""

    layers: tuple[tuple[int, int, int], ...]
    """Key heads, and the dimensions of a key and of a value."""
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes_per_token(self) -> int:
        """What a token takes in all layers."""
        return sum(heads * (key + value) for heads, key, value in self.layers) * self.dtype.itemsize

    def empty(self, tokens: int, slots: tuple[int, ...] = ()) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return keys and values (*slots, key head, token, dimension) of all layers, for so many tokens."""
        keys, values = [], []
        for heads, key, value in self.layers:
            keys.append(torch.empty(*slots, heads, tokens, key, dtype=self.dtype, device=self.device))
            values.append(torch.empty(*slots, heads, tokens, value, dtype=self.dtype, device=self.device))
        return keys, values


class SequenceCache:
    """Room for the keys and values of one sequence, and how much of it is filled."""

    def __init__(self, shape: CacheShape, capacity: int) -> None:
        """Make room for `capacity` tokens."""
        self.shape = shape
        self.keys, self.values = shape.empty(capacity)
        """By layer: (key head, token, dimension)."""
        self.capacity = capacity
        self.token_ids: list[int] = []
        """The tokens that have been read."""
        self.repeatable_tokens = 0
        """How many of them, from the first, were read in the very pieces in which anybody else would have read them."""

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def bytes(self) -> int:
        """The memory of the whole room."""
        return self.capacity * self.shape.bytes_per_token

    def copy(self, length: int, capacity: int | None = None) -> SequenceCache:
        """Return the first `length` tokens in a room of their own."""
        other = SequenceCache(self.shape, length if capacity is None else capacity)
        other.fill(self.keys, self.values, self.token_ids[:length])
        other.repeatable_tokens = min(self.repeatable_tokens, length)
        return other

    def fill(self, keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor], token_ids: Sequence[int]) -> None:
        """Take the beginning of other keys and values (key head, token, dimension), which are those of these tokens."""
        length = len(token_ids)
        for mine, theirs in zip((*self.keys, *self.values), (*keys, *values), strict=True):
            mine[:, :length] = theirs[:, :length]
        self.token_ids = list(token_ids)
