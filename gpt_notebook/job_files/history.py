"""What has happened in a job, each step once.

An attempt goes on from a checkpoint, and so does again what the one before it had done since then; after a lack of memory
an attempt does so itself. Whoever reads the events in their order sees such steps twice: here the later ones count, and
what had come of the earlier ones (validations, probes, checkpoints) goes with them. What people were told (states, notes,
commands) stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gpt_notebook.job_events import CheckpointSaved, JobEvent, MemoryShort, Prepared, Probed, StepDone, Validated


def counted(events: Iterable[JobEvent]) -> list[JobEvent]:
    """Return those of the events, which come in their order, that count."""
    history = History()
    for event in events:
        history.add(event)
    return history.events


class History:
    """The events that count, as they come."""

    def __init__(self) -> None:
        """Begin with none."""
        self.events: list[JobEvent] = []
        self._known: set[tuple[Any, ...]] = set()
        """What may be there once only, of the events that count."""
        self._latest = 0
        """No event that could go is of a later step."""

    def add(self, event: JobEvent) -> None:
        """Take one more; afterwards `events` may be shorter than before."""
        if isinstance(event, Prepared | MemoryShort):
            self._go_back(event.step)
        key = _key(event)
        if key is not None:
            if key in self._known:
                self._forget(key)
            self._known.add(key)
            self._latest = max(self._latest, key[1])
        self.events.append(event)

    def _go_back(self, step: int) -> None:
        """Let what came after a step not count any more."""
        if step < self._latest:
            self._keep_if(lambda key: key[1] <= step)
            self._latest = max((key[1] for key in self._known), default=0)

    def _forget(self, again: tuple[Any, ...]) -> None:
        """Let go of what has come again; with a step goes all that came after it."""
        if again[0] == StepDone.type:
            self._go_back(again[1] - 1)
        else:
            self._keep_if(lambda key: key != again)

    def _keep_if(self, counts: Callable[[tuple[Any, ...]], bool]) -> None:
        self.events = [each for each in self.events if (key := _key(each)) is None or counts(key)]
        self._known = {key for key in self._known if counts(key)}


def _key(event: JobEvent) -> tuple[Any, ...] | None:
    """Return what there may be only one of: (what, step, …); None for what always stays."""
    match event:
        case StepDone() | CheckpointSaved():
            return (event.type, event.step)
        case Validated():
            return (event.type, event.step, event.measured_on)
        case Probed():
            return (event.type, event.step, event.index)
        case _:
            return None
