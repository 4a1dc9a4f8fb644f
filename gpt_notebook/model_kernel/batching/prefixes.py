"""What is kept of texts that have been read, for whoever begins the same way.

That is the next turn of a chat, an edited cell that is run again, another road from a token.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from gpt_notebook.model_kernel.batching.cache import SequenceCache

MOST = 64
"""Texts that are kept at most, so that looking through them is nothing beside reading a token."""
WORTH_KEEPING = 16
"""Tokens that a text has to have, and to have in common with another, so that copying them pays."""

Key = tuple[str, tuple[int, ...]]
"""The fingerprint of a model and its adapter, and the tokens that they have read."""


class Prefixes:
    """The kept texts, the least recently used first; from any thread."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: OrderedDict[Key, SequenceCache] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """What they take."""
        with self._lock:
            return sum(cache.bytes for cache in self._kept.values())

    def longest(
        self, fingerprint: str, token_ids: Sequence[int], *, piece: int | None = None
    ) -> tuple[SequenceCache, int] | None:
        """Return the kept text that has most of a beginning in common, and how many tokens that is.

        One token at least is left to be read, for what follows is known of no token but the last that was read.

        Args:
            fingerprint: of the model and adapter whose text it is.
            token_ids: the beginning that is looked for.
            piece: None, or that only those tokens count which were read in pieces of this size, each by itself, as
                anybody would read them: what follows is then the same to the bit.
        """
        wanted = list(token_ids[:-1])
        best: tuple[SequenceCache, int] | None = None
        with self._lock:
            for key, cache in self._kept.items():
                if key[0] != fingerprint:
                    continue
                length = common(wanted, cache.token_ids)
                if piece is not None:
                    length = min(length, cache.repeatable_tokens) // piece * piece
                if length >= WORTH_KEEPING and (best is None or length > best[1]):
                    best, found = (cache, length), key
            if best is not None:
                self._kept.move_to_end(found)
        return best

    def keep(self, fingerprint: str, cache: SequenceCache) -> None:
        """Keep a text, in place of those that are no more than its beginning."""
        ids = tuple(cache.token_ids)
        with self._lock:
            for key, kept in list(self._kept.items()):
                beginning = key[0] == fingerprint and ids[: len(kept)] == key[1]
                if beginning and kept.repeatable_tokens <= cache.repeatable_tokens:
                    del self._kept[key]
            self._kept.setdefault((fingerprint, ids), cache)
            self._kept.move_to_end((fingerprint, ids))
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)

    def drop_one(self) -> None:
        """Let the least recently used text go, if there is one."""
        with self._lock:
            if self._kept:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Let all texts go."""
        with self._lock:
            self._kept.clear()

    def forget(self, fingerprint: str) -> None:
        """Let all texts of a model go, those that it read with adapters too."""
        with self._lock:
            for key in [key for key in self._kept if key[0].startswith(fingerprint)]:
                del self._kept[key]


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two lists begin with in common."""
    low, high = 0, min(len(first), len(second))
    # Lists are compared much faster than their elements one by one, so the end is found by halving.
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
