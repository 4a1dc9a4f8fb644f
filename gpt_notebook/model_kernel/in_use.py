"""What must not leave while requests use it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gpt_notebook.errors import ModelInUse


@dataclass(eq=False, kw_only=True)
class InUse:
    """Something in memory, and how many requests use it."""

    in_use: int = 0
    last_used: float = field(default_factory=time.monotonic)
    gone: bool = False
    """Whether it has been unloaded or replaced, so that nothing need be kept for it any more."""

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep it from being evicted."""
        self.in_use += 1
        try:
            yield
        finally:
            self.in_use -= 1
            self.last_used = time.monotonic()


def refuse_in_use(name: str, held: Collection[InUse]) -> None:
    """Refuse to let go of what somebody uses.

    Raises:
        ModelInUse: says by how many requests.
    """
    if users := sum(each.in_use for each in held):
        message = f"{name} is in use by {users} request{'s' if users > 1 else ''}: wait, or stop them with %gpt cancel"
        raise ModelInUse(message)
