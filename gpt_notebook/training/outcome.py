"""How an attempt ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gpt_notebook.job_files.disk import NO_ROOM
from gpt_notebook.job_protocol import CommandName, JobState, Reason

_FULL_WORDS = ("No space left on device", "Disk quota exceeded")
_ROOM = 16 * 1024 * 1024
"""Bytes; where they can be written, a disk is not full."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The state that a job is in when its process leaves."""

    state: JobState
    reason: Reason | None = None
    message: str | None = None


PAUSED = Outcome(state="paused", reason="user")
ENDINGS: Mapping[CommandName, Outcome] = {
    "pause": PAUSED,
    "stop": Outcome(state="succeeded", reason="stopped"),
    "cancel": Outcome(state="cancelled", reason="user"),
}
"""How an attempt ends that was told so, by the command."""


class Leaving(Exception):  # noqa: N818 - it says what happens
    """Takes an attempt out of transformers' loop."""

    def __init__(self, outcome: Outcome) -> None:
        """Keep how it ends."""
        super().__init__(outcome)
        self.outcome = outcome


class NotFinite(Exception):  # noqa: N818 - it says what happened
    """A loss, a gradient or a weight is NaN or infinite; its text says which."""


def what_helps(step: int, saved: int) -> str:
    """Return what to do when something after a step was NaN or infinite, and how far back the training can go on from."""
    if step == 0:
        return "the model computes NaN or infinity of these samples: choose another dtype, or another model"
    if step == saved:
        return "the checkpoint of that step leads there, and there is none before it: begin again with a lower learning_rate"
    return f"the next attempt goes on from step {saved}: go on with a lower learning_rate"


@contextlib.contextmanager
def saying_why(place: Path) -> Iterator[None]:
    """Find out why torch could not write into a directory: of a full disk it says only where in its own code it met it.

    Raises:
        OSError: the disk is full.
    """
    try:
        yield
    except RuntimeError:
        # What the system says of a write of ours counts, as of a quota nothing else tells.
        room = place / ".room"
        room.write_bytes(bytes(_ROOM))
        room.unlink()
        raise


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error says that a disk, or what this user may have of it, is full.

    safetensors and torch raise errors of their own, which say so in words.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return True
        if any(words in str(error) for words in _FULL_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False
