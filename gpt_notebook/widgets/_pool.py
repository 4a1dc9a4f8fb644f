"""The threads that answer a panel's requests: few, newest first, one always free for what somebody waits for."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

WORKERS = 4
IDLE_SECONDS = 5.0
"""After this long without work a thread ends; a panel that nobody touches has none."""

AT_ONCE = 0
"""The priority of what somebody waits for; larger numbers come later."""


class Pool:
    """Runs calls in a few daemon threads, so that no call keeps the notebook kernel from leaving.

    Lower priorities come first, and in each the newest: it belongs to what is looked at now. Calls that nobody waits
    for never take the last thread.
    """

    def __init__(self, workers: int = WORKERS) -> None:
        """Begin with no thread."""
        self._workers = workers
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._threads = 0
        self._idle = 0
        self._in_background = 0
        self._closed = False

    def submit(self, call: Callable[[], object], *, priority: int = AT_ONCE) -> None:
        """Run a call, which must not raise, when its turn has come; a closed pool forgets it."""
        with self._changed:
            if self._closed:
                return
            heapq.heappush(self._waiting, (priority, -next(self._numbers), call))
            if len(self._waiting) > self._idle and self._threads < self._workers:
                self._threads += 1
                threading.Thread(target=self._work, name="gpt-notebook-panel", daemon=True).start()
            self._changed.notify()

    def close(self) -> None:
        """Forget the calls that wait, and let the threads end after the calls that run."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            priority, call = taken
            try:
                call()
            finally:
                self._done(priority)
                del call, taken  # while this thread waits it must not keep the last panel alive

    def _take(self) -> tuple[int, Callable[[], object]] | None:
        """Wait for a call; None when this thread may end."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._closed or self._next_may_run(), IDLE_SECONDS)
            self._idle -= 1
            if self._closed or not self._next_may_run():
                self._threads -= 1
                return None
            priority, _, call = heapq.heappop(self._waiting)
            self._in_background += priority > AT_ONCE
            return priority, call

    def _next_may_run(self) -> bool:
        if not self._waiting:
            return False
        return self._waiting[0][0] <= AT_ONCE or self._in_background < self._workers - 1

    def _done(self, priority: int) -> None:
        with self._changed:
            self._in_background -= priority > AT_ONCE
            self._changed.notify()
