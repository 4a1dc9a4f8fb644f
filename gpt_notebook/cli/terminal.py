"""Generations in a terminal: text as it streams, progress on standard error, tokens shaded by their probability.

What goes to a terminal has its control characters made visible; what goes to a pipe or a file is the text itself.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Generator, Iterator, Sequence

from gpt_notebook import api
from gpt_notebook.completion import Collector, Completion
from gpt_notebook.display.reports import progress_report
from gpt_notebook.protocol import DEFAULT_MODEL, Event, Progress, Token, Tokens
from gpt_notebook.visible_text import visible

OPENING = "Once upon a time"
SHADED_TOKENS = 24
BARS = "▁▂▃▄▅▆▇█"
GREYS = range(232, 256)
"""The greys among the 256 colours of a terminal, from black to white."""

CLEAR_LINE = "\r\x1b[K"


def show_stream(events: Generator[Event, None, None]) -> tuple[Completion, ...]:
    """Print a generation as it comes, several samples one after the other, and return its completions."""
    collector = Collector()
    shown = False
    try:
        with contextlib.closing(events), _progress_line() as progress:
            for event in events:
                collector.add(event)
                if isinstance(event, Progress):
                    progress(event)
                    continue
                progress(None)
                if isinstance(event, Tokens) and _only_one(collector):
                    shown = True
                    _write("".join(token.text for token in event.tokens))
    except BaseException:
        if shown:
            _write("\n")
        raise
    completions = collector.completions()
    if len(completions) == 1:
        _write("\n")
    else:
        for each in completions:
            _write(f"--- {each.index + 1} of {len(completions)}, seed {each.seed}\n{each.text}\n")
    return completions


def demonstrate() -> None:
    """Let the bundled model tell a story, and show how fast and how sure it was."""
    _write(OPENING)
    began = time.monotonic()
    (story,) = show_stream(api.events(OPENING, model=DEFAULT_MODEL, max_new_tokens=160, temperature=0.7))
    seconds = story.timing.total if story.timing else time.monotonic() - began
    rate = f"{len(story.tokens) / seconds:.0f} tokens a second" if seconds else ""
    _write(f"\n{len(story.tokens)} tokens in {seconds:.2f} s, {rate}; seed {story.seed}\n")
    _write("how sure it was: " + "".join(shaded(story.tokens[:SHADED_TOKENS], colour=sys.stdout.isatty())) + "\n")
    sys.stdout.write("\nnext: open a notebook, run  %load_ext gpt_notebook  and begin a cell with  %%gpt\n")


def shaded(tokens: Sequence[Token], *, colour: bool) -> Iterator[str]:
    """Yield each token with its probability: as the brightness behind it, or as a bar after it."""
    for token in tokens:
        text = visible(token.text).replace("\n", "⏎")
        probability = 0.0 if token.logprob is None else math.exp(token.logprob)
        if colour:
            background = GREYS[round(probability * (len(GREYS) - 1))]
            letters = GREYS[0] if probability > 0.5 else GREYS[-1]  # noqa: PLR2004 - dark on light, light on dark
            yield f"\x1b[48;5;{background}m\x1b[38;5;{letters}m{text}\x1b[0m"
        else:
            yield text + BARS[round(probability * (len(BARS) - 1))]


def _only_one(collector: Collector) -> bool:
    return collector.started is not None and collector.started.options.n == 1


def _write(text: str) -> None:
    sys.stdout.write(visible(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


@contextlib.contextmanager
def _progress_line() -> Iterator[_ProgressLine]:
    line = _ProgressLine()
    try:
        yield line
    finally:
        line(None)


class _ProgressLine:
    """One line of standard error that says what is being waited for, where a person may be looking."""

    def __init__(self) -> None:
        self._shown = ""

    def __call__(self, event: Progress | None) -> None:
        text = "" if event is None else progress_report(event)[0]
        if text != self._shown and sys.stderr.isatty():
            sys.stderr.write(CLEAR_LINE + text)
            sys.stderr.flush()
            self._shown = text
