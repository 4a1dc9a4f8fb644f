"""What whoever waits for a job is told, event by event: the line that is shown, and whether it is enough."""

from __future__ import annotations

from collections import deque

from gpt_notebook.display.quantities import duration
from gpt_notebook.job_protocol import (
    CommandDone,
    JobEvent,
    JobState,
    MemoryShort,
    Prepared,
    StateChanged,
    StepDone,
)

RECENT = 20
"""Steps whose speed says how long the rest will take."""


class Waiting:
    """How far a job is that somebody waits for."""

    def __init__(self, name: str, until: JobState | int | None, *, queued: str = "queued") -> None:
        """Know nothing yet.

        Args:
            name: The job's.
            until: What is waited for; None: its end.
            queued: What is said of it while it waits for its turn.
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
    def line(self) -> tuple[str, float | None]:
        """What is shown, and the fraction that is done where it is known."""
        if self._state == "queued":
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
