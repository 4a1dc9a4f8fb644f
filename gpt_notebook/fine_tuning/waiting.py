"""Waiting for a job: the line that is shown, event by event, whether it is enough, and a limit of time."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from gpt_notebook.cancellation import Cancellation
from gpt_notebook.display.quantities import duration
from gpt_notebook.errors import RequestCancelled
from gpt_notebook.job_events import CommandDone, JobEvent, MemoryShort, Prepared, StateChanged, StepDone
from gpt_notebook.job_protocol import ENDED, JobState

RECENT = 20
"""Steps whose speed says how long the rest will take."""


class Waiting:
    """How far a job is that somebody waits for."""

    def __init__(self, name: str, until: JobState | int | None, *, queued: str = "starting") -> None:
        """Know nothing yet.

        Args:
            name: The job's.
            until: What is waited for; None: its end.
            queued: What is said of it until it begins.
        """
        self._name = name
        self._until = until
        self._queued = queued
        self._state: JobState | None = None
        self._step = 0
        self._total: int | None = None
        self._loss: float | None = None
        self._seconds: deque[float] = deque(maxlen=RECENT)

    @property
    def enough(self) -> bool:
        """Whether it has come to what is waited for."""
        if isinstance(self._until, int):
            return self._step >= self._until
        return self._until is not None and self._state == self._until

    @property
    def rests(self) -> bool:
        """Whether it does nothing at the moment, as it has ended or paused, so that nothing can be told of it."""
        return self._state == "paused" or self._state in ENDED

    @property
    def line(self) -> tuple[str, float | None]:
        """What is shown, and the fraction that is done where it is known."""
        if self._state in (None, "queued"):
            return f"{self._name}: {self._queued}", None
        if not self._step or not self._total:
            return f"{self._name}: preparing", None
        loss = "" if self._loss is None else f", loss {self._loss:.4g}"
        text = f"{self._name}: step {self._step:,} of {self._total:,}{loss}{self._left()}"
        return text, min(1.0, self._step / self._total)

    def add(self, event: JobEvent) -> None:
        """Take one more event."""
        match event:
            case StateChanged():
                self._state = event.state
                if event.state == "queued":
                    # It may go on with other data and options than before.
                    self._total, self._loss = None, None
                    self._seconds.clear()
            case Prepared():
                self._step, self._total = event.step, event.max_steps
            case StepDone():
                self._step, self._loss = event.step, event.loss
                self._seconds.append(event.seconds)
            case MemoryShort():
                self._step = event.step
            case CommandDone(command="max_steps", obeyed=True) if event.value is not None:
                self._total = int(event.value)

    def _left(self) -> str:
        steps = (self._total or 0) - self._step
        if len(self._seconds) < 2 or steps <= 0:  # noqa: PLR2004 - one alone says little
            return ""
        return f", about {duration(steps * sum(self._seconds) / len(self._seconds))} left"


@contextlib.contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """End the calls of this block quietly after some seconds."""
    if seconds is None:
        yield
        return
    cancellation = Cancellation()
    timer = threading.Timer(seconds, cancellation.cancel)
    timer.daemon = True
    timer.start()
    try:
        with cancellation.covering():
            yield
    except RequestCancelled:
        if not cancellation.cancelled:
            raise
    finally:
        timer.cancel()
