"""Whose step comes next on a device.

One thread owns the device. It gives every piece of work one step in turn, so that nobody waits for another's end, and
work joins, leaves and is cancelled between steps. Work that can share a step (a batch of sequences) is one piece of
work here. Knows nothing of models or requests.
"""

from __future__ import annotations

import logging
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch

from gpt_notebook.errors import RequestCancelled

logger = logging.getLogger(__name__)


class Work(ABC):
    """Something that is done step by step, and says what comes of it."""

    def __init__(self) -> None:
        """Begin with nobody listening."""
        self.emit: Callable[[Any], None] = lambda _: None
        """Takes each result, then None at the end, or the error that was the end."""
        self.cancelled = False
        """Set from any thread; takes effect at the next step."""
        self.threads = 1
        """How many CPU threads a step uses."""

    def check_cancelled(self) -> None:
        """Refuse to go on with work of which only the whole is an answer.

        Raises:
            RequestCancelled: it has been cancelled.
        """
        if self.cancelled:
            message = "the request was cancelled before it was done: run it again"
            raise RequestCancelled(message)

    @abstractmethod
    def step(self) -> bool:
        """Do one step on the device; return whether there is more to do."""


class Scheduler:
    """The step scheduler of one device."""

    def __init__(self, name: str) -> None:
        """Start its thread, which waits for work."""
        self._arrivals: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"scheduler-{name}", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Let work have its turns; may be called from any thread."""
        self._arrivals.put(work)

    def close(self) -> None:
        """End after the current step; work that isn't done is dropped."""
        self._arrivals.put(None)
        self._thread.join()

    def _run(self) -> None:
        active: list[Work] = []
        while True:
            arrived = self._arrived(wait=not active)
            if None in arrived:
                return
            active = [work for work in active + arrived if work is not None and self._step(work)]
            arrived.clear()  # The last reference to finished work must not wait for the next arrival.

    def _arrived(self, *, wait: bool) -> list[Work | None]:
        """Return what has come since the last turn, waiting for it when there is nothing else to do."""
        arrived = [self._arrivals.get()] if wait else []
        while not self._arrivals.empty():
            arrived.append(self._arrivals.get())
        return arrived

    def _step(self, work: Work) -> bool:
        if torch.get_num_threads() != work.threads:
            torch.set_num_threads(work.threads)
        try:
            more = work.step()
        except BaseException as error:
            if not isinstance(error, RequestCancelled):
                logger.warning("a step failed: %s", type(error).__name__, exc_info=error)
            _tell_end(work, error)
            return False
        if not more:
            _tell_end(work, None)
        return more


def _tell_end(work: Work, end: BaseException | None) -> None:
    """Tell how work ended; a listener that fails must not end the thread that everybody else's work needs."""
    try:
        work.emit(end)
    except Exception:
        logger.exception("nobody takes the end of work")
