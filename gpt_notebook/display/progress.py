"""What is shown while one waits: a bar for many texts, a line for one, in a notebook's output or a terminal."""

from __future__ import annotations

import contextlib
import contextvars
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TextIO

from gpt_notebook.display import completion_html
from gpt_notebook.display.quantities import duration
from gpt_notebook.display.reports import Report, progress_report
from gpt_notebook.protocol import Progress

INTERVAL = 0.1
"""Seconds between two updates; front ends that get more fall behind."""
SETTLING = 0.05
"""Seconds in which those that are done together are counted; the first alone would foresee far too much time."""
PATIENCE = 0.5
"""Seconds after which a line says what takes so long."""
FORESEEN_AFTER = 2.0
"""Seconds after which the speed so far says something about the rest."""

Count = Callable[[int, int], object]
"""Called with how many are done, and of how many."""


Later = Callable[[float, Callable[[], object]], threading.Timer]
"""Calls something after some seconds, unless it is cancelled."""


def later(seconds: float, call: Callable[[], object]) -> threading.Timer:
    """Call something after some seconds from a thread of its own, on behalf of the cell that runs now."""
    timer = threading.Timer(seconds, contextvars.copy_context().run, args=(call,))
    timer.daemon = True
    timer.start()
    return timer


class Bar:
    """How far something is; this one is never seen."""

    patience = INTERVAL
    """Seconds after which it appears."""

    def __init__(self, what: str) -> None:
        """Begin with nothing on the screen; `what` stands before the numbers."""
        self._what = what

    def __call__(self, done: int, total: int) -> None:
        """Tell how many are done, and of how many."""

    def waiting(self, event: Progress) -> None:
        """Tell how far something is that has to happen first."""

    def say(self, text: str, fraction: float | None = None) -> None:
        """Tell in words of the caller's own, with the fraction that is done where it is known."""

    def close(self) -> None:
        """Leave nothing on the screen."""


class VisibleBar(Bar):
    """One that appears only where it takes a while, says what it was told last, and is gone at the end."""

    def __init__(self, what: str, *, clock: Callable[[], float] = time.monotonic, later: Later = later) -> None:
        """Begin with nothing on the screen; `what` stands before the numbers."""
        super().__init__(what)
        self._clock = clock
        self._later = later
        self._began = clock()
        self._shown_at: float | None = None
        self._begun: tuple[float, int] | None = None
        self._lock = threading.RLock()
        self._told: tuple[str, float | None] | None = None
        self._timer: threading.Timer | None = None

    def __call__(self, done: int, total: int) -> None:
        """Tell how many are done, and of how many."""
        if self._begun is None:
            self._begun = self._clock(), done
        if done == total:
            self.close()
        else:
            self._tell(
                f"{self._what}: {done:,} of {total:,}{self._left(done, total)}", done / total, not_before=SETTLING
            )

    def waiting(self, event: Progress) -> None:
        """Tell how far something is that has to happen first."""
        self._begun = None  # what has to happen first says nothing of the speed afterwards
        self._tell(*progress_report(event))

    def say(self, text: str, fraction: float | None = None) -> None:
        """Tell in words of the caller's own, with the fraction that is done where it is known."""
        self._tell(text, fraction)

    def close(self) -> None:
        """Leave nothing on the screen."""
        with self._lock:
            self._forget()
            self._wipe()

    def _left(self, done: int, total: int) -> str:
        began, before = self._begun or (self._clock(), done)
        seconds = self._clock() - began
        if done == before or seconds < FORESEEN_AFTER:
            return ""
        return f", about {duration(seconds * (total - done) / (done - before))} left"

    def _tell(self, text: str, fraction: float | None, *, not_before: float = 0.0) -> None:
        """Show a line now or, where it is too early, soon: rows end in bursts, and nobody may say more for a while."""
        with self._lock:
            self._told = text, fraction
            due = self._began + self.patience if self._shown_at is None else self._shown_at + INTERVAL
            wait = max(due - self._clock(), not_before)
            if wait <= 0:
                self._show_told()
            elif self._timer is None:
                self._timer = self._later(wait, self._show_told)

    def _show_told(self) -> None:
        with self._lock:
            told = self._told
            self._forget()
            if told is not None:
                self._shown_at = self._clock()
                self._show(*told)

    def _forget(self) -> None:
        """Show nothing more of what was told."""
        self._told = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _show(self, text: str, fraction: float | None) -> None:
        """Show a line, and the fraction that is done where it is known."""
        raise NotImplementedError

    def _wipe(self) -> None:
        """Take away what is shown."""
        raise NotImplementedError


def bar(what: str) -> Bar:
    """Return what shows the progress where somebody may be looking: a notebook's output or a terminal."""
    publish = _publisher()
    if publish is not None:
        return NotebookBar(what, publish)
    return TerminalBar(what, sys.stderr) if sys.stderr.isatty() else Bar(what)


def note(line: str) -> None:
    """Say something in a line that stays: faint in a notebook's output, else among a program's messages."""
    publish = _publisher()
    if publish is None:
        sys.stderr.write(f"{line}\n")
    else:
        report = Report(line=line)
        publish({"text/plain": report.text(), "text/html": report.html()})


def _publisher() -> Callable[..., None] | None:
    """Return what publishes in the notebook that this runs in, None elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    publish: Callable[..., None] = shell.display_pub.publish
    return publish


@contextlib.contextmanager
def line() -> Iterator[Callable[[Progress], object]]:
    """Give what shows how far something is that one waits for; it is wiped at the end."""
    shown = bar("")
    shown.patience = PATIENCE
    try:
        yield shown.waiting
    finally:
        shown.close()


class NotebookBar(VisibleBar):
    """One output, updated in place, and wiped when all is done."""

    def __init__(
        self,
        what: str,
        publish: Callable[..., None],
        *,
        clock: Callable[[], float] = time.monotonic,
        later: Later = later,
    ) -> None:
        """Show nothing yet; `publish` is a display publisher's."""
        super().__init__(what, clock=clock, later=later)
        self._publish = publish
        self._display_id: str | None = None

    def _wipe(self) -> None:
        """Empty the output: it cannot be taken away again."""
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


class TerminalBar(VisibleBar):
    """One line, overwritten in place."""

    def __init__(
        self, what: str, stream: TextIO, *, clock: Callable[[], float] = time.monotonic, later: Later = later
    ) -> None:
        """Show nothing yet."""
        super().__init__(what, clock=clock, later=later)
        self._stream = stream
        self._width = 0

    def _wipe(self) -> None:
        """Overwrite the line."""
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
