"""Ending calls to a model kernel from another thread: the connection is shut at once, and the call fails as cancelled.

A thread says which cancellation its calls belong to, and nothing in between has to know of it. Knows sockets, and
nothing of what is said over them.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextvars import ContextVar

from gpt_notebook.errors import RequestCancelled


class Cancellation:
    """What ends the calls that are made inside of `covering()`, now or later."""

    def __init__(self) -> None:
        """Begin with nothing cancelled."""
        self._lock = threading.Lock()
        self._connected: list[socket.socket] = []
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` has been called."""
        return self._cancelled

    def cancel(self) -> None:
        """End the calls that run, and those that would begin."""
        with self._lock:
            self._cancelled = True
            for each in self._connected:
                # Of the plain socket also where there is encryption: the other thread is in the middle of using that.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def covering(self) -> Iterator[None]:
        """Have this cancellation end the calls of this block."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    @contextlib.contextmanager
    def ending(self, connected: socket.socket) -> Iterator[None]:
        """Have `cancel` shut a connection while this block lasts.

        Raises:
            RequestCancelled: in place of whatever the block met because of that.
        """
        with self._lock:
            self._connected.append(connected)
        try:
            self.check()
            yield
        except Exception:
            self.check()
            raise
        finally:
            with self._lock:
                self._connected.remove(connected)

    def check(self) -> None:
        """Raise `RequestCancelled` if this is cancelled."""
        if self._cancelled:
            message = "cancelled"
            raise RequestCancelled(message) from None


_CURRENT: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def check_cancelled() -> None:
    """Raise `RequestCancelled` if what this thread works on is cancelled: for long work between two calls."""
    current = _CURRENT.get()
    if current is not None:
        current.check()


def cancellable(connected: socket.socket) -> contextlib.AbstractContextManager[None]:
    """Have what this thread works on shut a connection when it is cancelled."""
    current = _CURRENT.get()
    return contextlib.nullcontext() if current is None else current.ending(connected)
