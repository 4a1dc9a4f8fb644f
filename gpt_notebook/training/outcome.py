"""How an attempt ends."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from gpt_notebook.job_protocol import JobState, Reason

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_WORDS = ("No space left on device", "Disk quota exceeded")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The state that a job is in when its process leaves."""

    state: JobState
    reason: Reason | None = None
    message: str | None = None


class Leaving(Exception):  # noqa: N818 - it says what happens
    """Takes an attempt out of transformers' loop."""

    def __init__(self, outcome: Outcome) -> None:
        """Keep how it ends."""
        super().__init__(outcome)
        self.outcome = outcome


class NotFinite(Exception):  # noqa: N818 - it says what happened
    """A loss or a gradient is no number any more; the weights have not been changed by it."""

    def __init__(self, loss: float, grad_norm: float) -> None:
        """Keep the two numbers, of which one is none."""
        super().__init__(f"the loss was {loss}, the norm of its gradients {grad_norm}")


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error says that a disk, or what this user may have of it, is full.

    safetensors and torch raise errors of their own, which say so in words.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(words in str(error) for words in _FULL_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False
