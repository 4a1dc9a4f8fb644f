"""What the caches of all models on a device may take: of rows that run, of texts being read, and of those that are kept."""

from __future__ import annotations

import threading
import weakref
from typing import Protocol

from gpt_notebook.model_kernel.batching.prefixes import Prefixes


class Holder(Protocol):
    """Who has caches."""

    @property
    def bytes(self) -> int:
        """What they take."""
        ...

    def let_go(self, *, texts: bool = False) -> None:
        """Give back what nobody needs at present; with `texts`, unless rows run, also what can be read again."""
        ...


class CacheMemory:
    """The budget of all caches; texts that are only kept leave when somebody needs the room."""

    def __init__(self, budget: int) -> None:
        """Begin with nothing held."""
        self.budget = budget
        self.prefixes = Prefixes()
        self._holders: weakref.WeakSet[Holder] = weakref.WeakSet()
        self._lock = threading.Lock()

    def count(self, holder: Holder) -> None:
        """Count what somebody has for as long as they live."""
        with self._lock:
            self._holders.add(holder)

    @property
    def running(self) -> int:
        """What those take that run or are being read."""
        with self._lock:
            holders = list(self._holders)
        return sum(holder.bytes for holder in holders)

    def held_beside(self, holder: Holder) -> int:
        """Return what others than a holder have."""
        return self.running - holder.bytes

    def make_room(self, more: int, *, of: Holder | None = None, texts: bool = False) -> bool:
        """Let kept texts go until `more` bytes fit; return whether they do.

        Args:
            more: the bytes that somebody needs.
            of: a holder who needs them, and has counted what it can spare.
            texts: whether others shall give back the texts that they can read again.
        """
        if self.running + more > self.budget:
            with self._lock:
                others = [holder for holder in self._holders if holder is not of]
            for holder in others:
                holder.let_go(texts=texts)
        allowed = self.budget - self.running - more
        if allowed < 0:  # without them it would not fit either
            return False
        while self.prefixes.bytes > allowed:
            self.prefixes.drop_one()
        return True
