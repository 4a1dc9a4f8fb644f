"""What a notebook shows while one waits: a bar for many texts, a line for one; where an output cannot be updated, nothing."""

from __future__ import annotations

import contextlib
import sys
import time
import uuid
from collections.abc import Callable, Iterator

from gpt_notebook.protocol import Progress

INTERVAL = 0.1
"""Seconds between two updates; front ends that get more fall behind."""

PATIENCE = 0.5
"""Seconds after which a line says what takes so long."""

Count = Callable[[int, int], object]
"""Called with how many are done, and of how many."""


def bar(what: str) -> Count:
    """Return what shows the progress in a notebook's output, and nothing elsewhere."""
    publish = _publisher()
    return (lambda _done, _total: None) if publish is None else _Bar(what, publish)


@contextlib.contextmanager
def line() -> Iterator[Callable[[Progress], object] | None]:
    """Give what shows a `Progress` in a notebook's output, which is wiped at the end; None elsewhere."""
    publish = _publisher()
    if publish is None:
        yield None
        return
    shown = _Line(publish)
    try:
        yield shown
    finally:
        shown.wipe()


def _publisher() -> Callable[..., None] | None:
    """Return what publishes outputs that can be updated; None in a terminal, or without IPython."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    publish: Callable[..., None] = shell.display_pub.publish
    return publish


class _Output:
    """One output, updated in place, and wiped when all is done."""

    def __init__(self, publish: Callable[..., None], patience: float) -> None:
        self._publish = publish
        self._display_id: str | None = None
        self._not_before = time.monotonic() + patience

    def show(self, text: str, fraction: float | None) -> None:
        """Show a line and a bar, unless that was done just now."""
        if time.monotonic() < self._not_before:
            return
        from gpt_notebook.display import completion_html

        self._update(text, completion_html.progress(text, fraction))
        self._not_before = time.monotonic() + INTERVAL

    def wipe(self) -> None:
        """Show nothing any more."""
        if self._display_id is not None:
            self._update("", "")

    def _update(self, text: str, html: str) -> None:
        update = self._display_id is not None
        self._display_id = self._display_id or f"gpt-notebook-{uuid.uuid4().hex}"
        data = {"text/plain": text, "text/html": html}
        self._publish(data, transient={"display_id": self._display_id}, update=update)


class _Bar(_Output):
    """How many are done."""

    def __init__(self, what: str, publish: Callable[..., None]) -> None:
        super().__init__(publish, INTERVAL)
        self._what = what

    def __call__(self, done: int, total: int) -> None:
        if done == total:
            self.wipe()
        else:
            self.show(f"{self._what}: {done} of {total}", done / total)


class _Line(_Output):
    """What is waited for, and how far it is."""

    def __init__(self, publish: Callable[..., None]) -> None:
        super().__init__(publish, PATIENCE)

    def __call__(self, event: Progress) -> None:
        from gpt_notebook.display.reports import progress_report

        self.show(*progress_report(event))
