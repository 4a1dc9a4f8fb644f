"""The captures that are kept: within a budget, the least recently used leaving first.

Belongs to the event loop's thread.
"""

from __future__ import annotations

from gpt_notebook.errors import AttentionNotFound
from gpt_notebook.model_kernel.attention.recording import Capture


class Captures:
    """Recorded attentions by id."""

    def __init__(self, budget: int) -> None:
        """Keep at most `budget` bytes."""
        self.budget = budget
        self._kept: dict[str, tuple[Capture, int]] = {}
        """With their sizes; the least recently used first."""

    @property
    def bytes(self) -> int:
        """What they take together."""
        return sum(size for _, size in self._kept.values())

    def find(self, capture_id: str) -> Capture | None:
        """Return a capture, which counts as used by that, or None."""
        found = self._kept.pop(capture_id, None)
        if found is None:
            return None
        self._kept[capture_id] = found
        return found[0]

    def get(self, capture_id: str) -> Capture:
        """Return a capture, which counts as used by that.

        Raises:
            AttentionNotFound: it is not here.
        """
        capture = self.find(capture_id)
        if capture is None:
            message = f"the attention {capture_id:.40} is not kept any more: make it again with gpt.attention(…)"
            raise AttentionNotFound(message, param="attention")
        return capture

    def keep(self, capture: Capture) -> None:
        """Keep a capture, or count again what it takes; others leave until there is room, never this one."""
        self._kept.pop(capture.id, None)
        if capture.bytes > self.budget:
            capture.forget_extras()
        size = capture.bytes
        taken = self.bytes
        for capture_id in list(self._kept):
            if taken + size <= self.budget:
                break
            taken -= self._kept.pop(capture_id)[1]
        self._kept[capture.id] = capture, size

    def close(self) -> None:
        """Let all go."""
        self._kept.clear()
