"""A bar in a notebook while many texts are worked on; where an output cannot be updated there is none."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable

INTERVAL = 0.1
"""Seconds between two updates; front ends that get more fall behind."""

Count = Callable[[int, int], object]
"""Called with how many are done, and of how many."""


def bar(what: str) -> Count:
    """Return what shows the progress in a notebook's output, and nothing elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):  # a terminal, or no IPython at all
        return lambda _done, _total: None
    return _Bar(what, shell.display_pub.publish)


class _Bar:
    """One output, updated in place, and wiped when all is done."""

    def __init__(self, what: str, publish: Callable[..., None]) -> None:
        self._what = what
        self._publish = publish
        self._display_id: str | None = None
        self._not_before = time.monotonic() + INTERVAL

    def __call__(self, done: int, total: int) -> None:
        if done == total:
            if self._display_id is not None:
                self._show("", "")
        elif time.monotonic() >= self._not_before:
            from gpt_notebook.display import completion_html

            text = f"{self._what}: {done} of {total}"
            self._show(text, completion_html.progress(text, done / total))
            self._not_before = time.monotonic() + INTERVAL

    def _show(self, text: str, html: str) -> None:
        update = self._display_id is not None
        self._display_id = self._display_id or f"gpt-notebook-{uuid.uuid4().hex}"
        data = {"text/plain": text, "text/html": html}
        self._publish(data, transient={"display_id": self._display_id}, update=update)
