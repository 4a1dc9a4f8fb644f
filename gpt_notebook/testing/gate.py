"""Holds the fake engine back, so that a test sees what it wants to see with no sleep anywhere."""

from __future__ import annotations

import asyncio
import threading


class Gate:
    """Holds tokens back until they are let through; may be used from any thread."""

    def __init__(self) -> None:
        """Begin closed."""
        self._lock = threading.Lock()
        self._allowed = 0
        self._open = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def let(self, count: int = 1) -> None:
        """Let so many more tokens pass."""
        with self._lock:
            self._allowed += count
            self._wake()

    def open(self) -> None:
        """Let everything pass from now on."""
        with self._lock:
            self._open = True
            self._wake()

    def _wake(self) -> None:
        for loop, future in self._waiting:
            loop.call_soon_threadsafe(_resolve, future)
        self._waiting.clear()

    async def passed(self) -> None:
        """Wait for a turn."""
        while True:
            loop = asyncio.get_running_loop()
            turn = loop.create_future()
            with self._lock:
                if self._open or self._allowed:
                    self._allowed -= not self._open
                    return
                self._waiting.append((loop, turn))
            await turn


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
