"""What is shown while one waits: a bar for many texts, a line for one, in a notebook's output or a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TextIO

from gpt_notebook.display import completion_html
from gpt_notebook.display.quantities import duration
from gpt_notebook.display.reports import progress_report
from gpt_notebook.protocol import Progress

INTERVAL = 0.1
"""Seconds between two updates; front ends that get more fall behind."""
PATIENCE = 0.5
"""Seconds after which a line says what takes so long."""
FORESEEN_AFTER = 2.0
"""Seconds after which the speed so far says something about the rest."""

Count = Callable[[int, int], object]
"""Called with how many are done, and of how many."""


class Bar:
    """How far something is. It appears only where that takes a while, and is gone at the end; this one is never seen."""

    patience = INTERVAL
    """Seconds after which it appears."""

    def __init__(self, what: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing on the screen; `what` stands before the numbers."""
        self._what = what
        self._clock = clock
        self._began = clock()
        self._shown_at: float | None = None
        self._begun: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Tell how many are done, and of how many."""
        if self._begun is None:
            self._begun = self._clock(), done
        if done == total:
            self.close()
        else:
            self._show_if_due(f"{self._what}: {done:,} of {total:,}{self._left(done, total)}", done / total)

    def waiting(self, event: Progress) -> None:
        """Tell how far something is that has to happen first."""
        self._begun = None  # what has to happen first says nothing of the speed afterwards
        self._show_if_due(*progress_report(event))

    def close(self) -> None:
        """Leave nothing on the screen."""

    def _left(self, done: int, total: int) -> str:
        began, before = self._begun or (self._clock(), done)
        seconds = self._clock() - began
        if done == before or seconds < FORESEEN_AFTER:
            return ""
        return f", about {duration(seconds * (total - done) / (done - before))} left"

    def _show_if_due(self, text: str, fraction: float | None) -> None:
        not_before = self._began + self.patience if self._shown_at is None else self._shown_at + INTERVAL
        if self._clock() >= not_before:
            self._show(text, fraction)
            self._shown_at = self._clock()

    def _show(self, text: str, fraction: float | None) -> None:
        """Show a line, and the fraction that is done where it is known."""


def bar(what: str) -> Bar:
    """Return what shows the progress where somebody may be looking: a notebook's output or a terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None and hasattr(shell, "kernel"):
        return NotebookBar(what, shell.display_pub.publish)
    return TerminalBar(what, sys.stderr) if sys.stderr.isatty() else Bar(what)


@contextlib.contextmanager
def line() -> Iterator[Callable[[Progress], object]]:
    """Give what shows how far something is that one waits for; it is wiped at the end."""
    shown = bar("")
    shown.patience = PATIENCE
    try:
        yield shown.waiting
    finally:
        shown.close()


class NotebookBar(Bar):
    """One output, updated in place, and wiped when all is done."""

    def __init__(self, what: str, publish: Callable[..., None], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Show nothing yet; `publish` is a display publisher's."""
        super().__init__(what, clock=clock)
        self._publish = publish
        self._display_id: str | None = None

    def close(self) -> None:
        """Wipe the output: it cannot be taken away again."""
        if self._display_id is not None:
            self._put("", "")
            self._display_id = None

    def _show(self, text: str, fraction: float | None) -> None:
        self._put(text, completion_html.progress(text, fraction))

    def _put(self, text: str, html: str) -> None:
        update = self._display_id is not None
        self._display_id = self._display_id or f"gpt-notebook-{uuid.uuid4().hex}"
        data = {"text/plain": text, "text/html": html}
        self._publish(data, transient={"display_id": self._display_id}, update=update)


class TerminalBar(Bar):
    """One line, overwritten in place."""

    def __init__(self, what: str, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Show nothing yet."""
        super().__init__(what, clock=clock)
        self._stream = stream
        self._width = 0

    def close(self) -> None:
        """Wipe the line."""
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def _show(self, text: str, fraction: float | None) -> None:
        del fraction
        self._write(f"\r{text:<{self._width}}")
        self._width = len(text)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
