"""What earlier attempts of a job have left to know: what was chosen, obeyed, measured and short.

All of it is in the events, so that nothing has to be kept twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpt_notebook.job_events import (
    CheckpointSaved,
    CommandDone,
    JobEvent,
    MemoryShort,
    Prepared,
    Probed,
    StateChanged,
    Validated,
)
from gpt_notebook.job_files.commands import overruled
from gpt_notebook.job_protocol import CommandName
from gpt_notebook.training.outcome import ENDINGS
from gpt_notebook.training.schedule import Change

LAST_WORDS = tuple(ENDINGS)
"""Commands after which an attempt ends."""


@dataclass
class Past:
    """What the events of a job say, read in their order."""

    chosen: dict[str, Any] = field(default_factory=dict)
    """What the last attempt chose."""
    micro_batch_size: int | None = None
    """How many samples at a time the memory sufficed for, if it ever didn't."""
    changes: list[Change] = field(default_factory=list)
    """What commands have changed."""
    last_command: int = 0
    """The number of the last one that was acknowledged."""
    last_word: CommandDone | None = None
    """A command to end that was acknowledged by an attempt that died before it could say that it had ended."""
    validations: dict[int, float] = field(default_factory=dict)
    """The loss of each validation, by its step; all on the same samples."""
    measured_on: str | None = None
    """Which samples those are: `JobRequest.measured_on`."""
    probed: dict[int, int] = field(default_factory=dict)
    """After which steps how many of the probes were gone on from."""
    saved: set[int] = field(default_factory=set)
    """Steps whose checkpoints have been acknowledged."""

    @classmethod
    def read(cls, events: Iterable[JobEvent]) -> Past:
        """Return what the events say."""
        past = cls()
        for event in events:
            past.add(event)
        return past

    def add(self, event: JobEvent) -> None:
        """Take one more event."""
        match event:
            case Prepared():
                self.begin(event.chosen)
            case MemoryShort():
                self.micro_batch_size = event.micro_batch_size
            case CommandDone():
                self._obey(event)
            case StateChanged() if event.reason != "died" and event.state not in ("queued", "running"):
                self.last_word = None
            case Validated():
                self.measure_on(event.measured_on)
                self.validations[event.step] = math.inf if event.loss is None else event.loss
            case Probed():
                self.probed[event.step] = event.index + 1
            case CheckpointSaved():
                self.saved.add(event.step)
            case _:
                pass

    def begin(self, chosen: Mapping[str, Any]) -> None:
        """Begin an attempt that chooses this; what is asked for otherwise now (with `force`) ends what commands said."""
        for name in overruled(self.chosen, chosen):
            self.changes = [change for change in self.changes if getattr(change, name) is None]
        self.chosen = dict(chosen)

    def measure_on(self, samples: str | None) -> None:
        """Forget the losses on other samples (`JobRequest.measured_on`): those from now on can't be compared with them."""
        if samples is None:
            return
        if self.measured_on not in (None, samples):
            self.validations = {}
        self.measured_on = samples

    def _obey(self, event: CommandDone) -> None:
        self.last_command = max(self.last_command, event.command_number)
        if not event.obeyed:
            return
        if event.command in LAST_WORDS:
            self.last_word = event
        elif event.command == "resume":
            self.last_word = None
        elif event.value is not None:
            self.changes.append(change_of(event.command, event.value, step=event.step))

    def until(self, step: int) -> None:
        """Forget what was measured after a step: it will be done again."""
        self.validations = {done: loss for done, loss in self.validations.items() if done <= step}
        self.probed = {done: count for done, count in self.probed.items() if done <= step}


def change_of(command: CommandName, value: float, *, step: int) -> Change:
    """Return what a command with a value changes."""
    if command == "max_steps":
        return Change(step=step, max_steps=int(value))
    return Change(step=step, learning_rate=value)
