"""The output of a running `%%gpt` cell: it appears with the first token and grows in place.

A front end that can update an output gets one, at most ten times a second and once more at the end. Where an output can
only be written once (`%%capture`), the end is all there is. A terminal gets the plain text as it comes.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TextIO

from gpt_notebook.completion import Completion
from gpt_notebook.display import completion_html
from gpt_notebook.display.bundle import Bundle, View, bundle, live_bundle, mark
from gpt_notebook.display.reports import progress_report
from gpt_notebook.protocol import Progress
from gpt_notebook.visible_text import visible

INTERVAL = 0.1
"""Seconds between two updates; front ends that get more fall behind."""

RENDERING_SHARE = 0.1
"""The share of the time that rendering may take: long outputs are updated less often."""


class CellOutput(Protocol):
    """What a running cell shows."""

    def progress(self, event: Progress) -> None:
        """Show how far something is that has to happen first."""

    def update(self, completions: Sequence[Completion]) -> None:
        """Show the completions as far as they have come."""

    def finish(self, completions: Sequence[Completion], *, reason: str = "incomplete") -> None:
        """Show the completions as they stay; `reason` is what to call it where they were cut off."""

    def say(self, line: str) -> None:
        """Show one line, in the place of what was shown so far."""

    def show(self, content: Bundle) -> None:
        """Show something else than completions, in the place of what was shown so far."""

    def show_if_due(self, make: Callable[[], Bundle]) -> None:
        """Show it if the last time is long enough ago; there will be more."""


def cell_output(shell: Any, view: View) -> CellOutput:
    """Return the kind of output that suits the shell's front end."""
    from IPython.core.displaypub import CapturingDisplayPublisher, DisplayPublisher

    publisher = shell.display_pub
    if isinstance(publisher, CapturingDisplayPublisher):
        return NotebookOutput(publisher.publish, view, live=False)
    if type(publisher) is DisplayPublisher:
        return TerminalOutput(view)
    return NotebookOutput(publisher.publish, view)


def is_terminal(shell: Any) -> bool:
    """Return whether what a shell shows is plain text."""
    from IPython.core.displaypub import DisplayPublisher

    return type(shell.display_pub) is DisplayPublisher


def show_attention(shell: Any, completion: Completion) -> None:
    """Show a panel that explores what each head looked at while a completion was made; a terminal gets a line.

    Raises:
        GptNotebookError: there is no such attention, or it can't be shown.
    """
    if is_terminal(shell):
        TerminalOutput(View()).say("a terminal shows no panel: gpt.attention(_) has the attention of this completion")
        return
    from gpt_notebook.widgets.attention import AttentionPanel

    for data, metadata in AttentionPanel(completion).outputs():
        shell.display_pub.publish(data, metadata)


class NotebookOutput:
    """One output of a notebook, updated in place."""

    def __init__(
        self,
        publish: Callable[..., None],
        view: View,
        *,
        live: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show nothing yet; `publish` is a display publisher's."""
        self._publish = publish
        self._view = view
        self._live = live
        self._clock = clock
        self._display_id = f"gpt-notebook-{uuid.uuid4().hex}"
        self._on_screen = False
        self._not_before = float("-inf")
        self._first_text: float | None = None

    def progress(self, event: Progress) -> None:
        """Show a line and, where a total is known, a bar."""
        text, fraction = progress_report(event)
        data = {"text/plain": text, "text/html": completion_html.progress(text, fraction)}
        self.show_if_due(lambda: (data, {}))

    def update(self, completions: Sequence[Completion]) -> None:
        """Show the text at once when it is the first, else when the time has come."""
        if self._first_text is None:
            if not any(each.tokens for each in completions):
                return
            self._first_text = self._clock()
            self._not_before = float("-inf")
        rate = _rate(completions, self._clock() - self._first_text)
        self.show_if_due(lambda: live_bundle(completions, self._view, tokens_per_second=rate))

    def finish(self, completions: Sequence[Completion], *, reason: str = "incomplete") -> None:
        """Show what stays. Where nothing came at all, wipe the progress: an output cannot be taken away again."""
        if completions:
            self._show(bundle(completions, self._view, reason=reason))
        elif self._on_screen:
            self._show(({"text/plain": "", "text/html": ""}, {}))

    def say(self, line: str) -> None:
        """Show one line."""
        self._show(({"text/plain": line, "text/html": completion_html.page("", footer=line)}, {}))

    def show(self, content: Bundle) -> None:
        """Show it."""
        self._show(content)

    def show_if_due(self, make: Callable[[], Bundle]) -> None:
        """Show it if the last time is long enough ago."""
        began = self._clock()
        if not self._live or began < self._not_before:
            return
        self._show(make())
        rendering = self._clock() - began
        self._not_before = began + max(INTERVAL, rendering / RENDERING_SHARE)

    def _show(self, content: Bundle) -> None:
        data, metadata = content
        update, self._on_screen = self._on_screen, True
        self._publish(data=data, metadata=metadata, transient={"display_id": self._display_id}, update=update)


class TerminalOutput:
    """Plain text on standard output, as it comes; several samples one after the other."""

    def __init__(self, view: View, *, stdout: TextIO | None = None) -> None:
        """Write the notices where they don't mix with the text."""
        self._stdout = stdout or sys.stdout
        self._sample = 0
        self._characters = 0
        self._progress_width = 0
        for notice in view.notices:
            sys.stderr.write(f"{visible(notice)}\n")

    def progress(self, event: Progress) -> None:
        """Overwrite one line where there is someone to see it."""
        if self._stdout.isatty():
            text = visible(progress_report(event)[0])
            self._write(f"\r{text:<{self._progress_width}}")
            self._progress_width = len(text)

    def update(self, completions: Sequence[Completion]) -> None:
        """Write what is new of the sample that is being written, and of those after it once it is finished."""
        while self._sample < len(completions):
            completion = completions[self._sample]
            self._write_rest(completion, len(completions))
            if completion.finish_reason is None or self._sample == len(completions) - 1:
                return
            self._end_sample(completion, "")

    def finish(self, completions: Sequence[Completion], *, reason: str = "incomplete") -> None:
        """Write all that is left, and mark what was cut off."""
        self._clear_progress()
        for completion in completions[self._sample :]:
            self._write_rest(completion, len(completions))
            self._end_sample(completion, reason)

    def say(self, line: str) -> None:
        """Write one line."""
        self._clear_progress()
        self._write(f"{visible(line)}\n")

    def show(self, content: Bundle) -> None:
        """Write its plain text."""
        self.say(content[0]["text/plain"])

    def show_if_due(self, make: Callable[[], Bundle]) -> None:
        """Wait for the end: what was written stays."""

    def _write_rest(self, completion: Completion, count: int) -> None:
        text = completion.text[self._characters :]
        if not text:
            return
        self._clear_progress()
        if count > 1 and self._characters == 0:
            self._write(f"[{self._sample + 1}]\n")
        self._characters = len(completion.text)
        self._write(visible(text))

    def _end_sample(self, completion: Completion, reason: str) -> None:
        sign = mark(completion, reason)
        self._write(f"\n[{sign}]\n" if sign else "\n")
        self._sample += 1
        self._characters = 0

    def _clear_progress(self) -> None:
        if self._progress_width:
            self._write("\r" + " " * self._progress_width + "\r")
            self._progress_width = 0

    def _write(self, text: str) -> None:
        self._stdout.write(text)
        self._stdout.flush()


def _rate(completions: Sequence[Completion], seconds: float) -> float | None:
    """Return the tokens per second since the first, once that can be told."""
    count = sum(len(each.tokens) for each in completions) - 1
    return count / seconds if count > 0 and seconds >= INTERVAL else None
