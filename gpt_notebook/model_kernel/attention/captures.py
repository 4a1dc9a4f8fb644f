"""The captures that are kept: within a budget, the least recently used leaving first.

Belongs to the event loop's thread.
"""

from __future__ import annotations

from gpt_notebook.errors import AttentionNotFound
from gpt_notebook.model_kernel.attention.capture import Capture


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
        found = self._kept.get(capture_id)
        if found is None:
            return None
        if not found[0].brief:
            self._kept[capture_id] = self._kept.pop(capture_id)
        return found[0]

    def get(self, capture_id: str) -> Capture:
        """Return a capture, which counts as used by that.

        Raises:
            AttentionNotFound: it is not here.
        """
        capture = self.find(capture_id)
        if capture is None:
            message = f"the attention {capture_id[:40]!r} is not kept any more: make it again with gpt.attention(…)"
            raise AttentionNotFound(message, param="attention")
        return capture

    def keep(self, capture: Capture) -> None:
        """Keep a capture; others leave until there is room, never this one."""
        self._kept.pop(capture.id, None)
        if capture.bytes > self.budget:
            capture.forget_extras()
        size = capture.bytes
        taken = self.bytes
        for capture_id in list(self._kept):
            if taken + size <= self.budget:
                break
            taken -= self._kept.pop(capture_id)[1]
        entry = {capture.id: (capture, size)}
        self._kept = entry | self._kept if capture.brief else self._kept | entry

    def recount(self, capture: Capture) -> None:
        """Count again what a capture takes, if it is still kept: answering may have added to it."""
        if self._kept.get(capture.id, (None, 0))[0] is capture:
            self.keep(capture)

    def forget(self, model: str) -> None:
        """Let the captures of a model go, those with its adapters too."""
        names = {model, *(entry[0].model for entry in self._kept.values() if entry[0].model.startswith(f"{model}+"))}
        self._kept = {key: entry for key, entry in self._kept.items() if entry[0].model not in names}

    def close(self) -> None:
        """Let all go."""
        self._kept.clear()
