"""What is marked on a job's curve: what happens now and then, beside its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gpt_notebook.job_events import CheckpointSaved, CommandDone, MemoryShort, Noted, StateChanged, Validated

Mark = dict[str, Any]
"""`kind`, `number`, `step` and `seconds`, and what the event of this kind says."""

KINDS: Mapping[type[Any], str] = {
    Validated: "validation",
    CheckpointSaved: "checkpoint",
    StateChanged: "state",
    CommandDone: "command",
    MemoryShort: "out_of_memory",
    Noted: "note",
}
"""What is marked of a job's events, and what it is called."""
SAID: Mapping[str, tuple[str, ...]] = {
    "validation": ("loss", "perplexity", "accuracy", "best", "measured_on"),
    "checkpoint": ("bytes", "loss"),
    "state": ("state", "reason", "message"),
    "command": ("command", "value", "obeyed", "message"),
    "out_of_memory": ("micro_batch_size", "accumulation"),
    "note": ("message",),
}
"""What is told of each kind."""


class Marked(NamedTuple):
    """An event that is marked: a dictionary of each would take twice the room."""

    event: Any
    seconds: float

    @property
    def step(self) -> int:
        """The step after which it happened."""
        step: int = self.event.step
        return step

    @property
    def kind(self) -> str:
        """What is marked."""
        return KINDS[type(self.event)]

    def told(self) -> Mark:
        """Return it as views and pictures take it."""
        said = {name: getattr(self.event, name) for name in SAID[self.kind]}
        place = {"number": self.event.number, "step": self.step, "seconds": self.seconds}
        return {"kind": self.kind, **place, **said}
