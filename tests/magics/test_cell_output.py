"""The output of a running cell: it grows in place, never faster than a front end can follow."""

from __future__ import annotations

import io

import pytest
from notebook_shell import completion, completions

from gpt_notebook.display.bundle import View
from gpt_notebook.display.reports import progress_report
from gpt_notebook.magics.cell_output import NotebookOutput, TerminalOutput
from gpt_notebook.protocol import Progress, SamplingOptions


class Screen:
    """A display publisher and a clock that moves only when told."""

    def __init__(self):
        self.published = []
        self.now = 0.0

    def publish(self, **message):
        self.published.append(message)

    def output(self, **options):
        return NotebookOutput(self.publish, View(), clock=lambda: self.now, **options)

    def texts(self):
        return [message["data"]["text/plain"] for message in self.published]


@pytest.fixture
def screen():
    return Screen()


def growing(text):
    return [completion(text, finish_reason=None)]


def test_the_first_text_is_shown_at_once_and_then_ten_times_a_second(screen):
    output = screen.output()
    for step in range(100):
        screen.now = step / 50
        output.update(growing(f"a{step}"))
    output.finish([completion("the end")])
    times = len(screen.published)
    assert screen.texts()[0] == "a0"
    assert screen.texts()[-1] == "the end"
    assert 19 <= times <= 22


def test_there_is_one_output_and_updates_of_it(screen):
    output = screen.output()
    for step in range(3):
        screen.now = float(step)
        output.update(growing("a"))
    output.finish([completion("a")])
    assert [message["update"] for message in screen.published] == [False, True, True, True]
    assert len({message["transient"]["display_id"] for message in screen.published}) == 1


def test_progress_is_replaced_by_the_text_at_once(screen):
    output = screen.output()
    output.progress(Progress(stage="reading", model="gpt2", done=312_000_000, total=548_000_000))
    output.update(growing("a"))
    assert screen.texts() == ["loading gpt2: 312 of 548 MB", "a"]
    assert screen.published[1]["update"]


def test_no_text_is_no_reason_to_take_the_progress_away(screen):
    output = screen.output()
    output.progress(Progress(stage="starting"))
    output.update([])
    screen.now = 5.0
    output.update([])
    assert screen.texts() == ["starting the model kernel…"]


def test_long_outputs_are_updated_less_often(screen):
    class SlowScreen(Screen):
        def publish(self, **message):
            super().publish(**message)
            self.now += 0.1

    slow = SlowScreen()
    output = slow.output()
    output.update(growing("a"))
    slow.now += 0.5
    output.update(growing("ab"))
    slow.now += 0.5
    output.update(growing("abc"))
    assert slow.texts() == ["a", "abc"]


def test_what_came_of_an_interrupted_text_stays_and_is_marked(screen):
    output = screen.output()
    output.finish(growing("a little"), reason="incomplete: interrupted")
    assert screen.texts() == ["a little\n[incomplete: interrupted]"]


def test_a_failure_before_the_first_token_wipes_the_progress(screen):
    output = screen.output()
    output.progress(Progress(stage="starting"))
    output.finish([])
    assert screen.texts() == ["starting the model kernel…", ""]


def test_a_failure_before_anything_shows_nothing(screen):
    screen.output().finish([])
    assert screen.published == []


def test_where_an_output_is_written_once_only_the_end_is(screen):
    output = screen.output(live=False)
    output.progress(Progress(stage="starting"))
    output.update(growing("a"))
    output.finish([completion("a fox")])
    assert screen.texts() == ["a fox"]


@pytest.mark.parametrize(
    ("event", "text", "fraction"),
    [
        (Progress(stage="starting"), "starting the model kernel…", None),
        (
            Progress(stage="downloading", model="gpt2", done=1_000_000, total=4_000_000),
            "downloading gpt2: 1 of 4 MB",
            0.25,
        ),
        (Progress(stage="reading", model="gpt2"), "loading gpt2…", None),
        (Progress(stage="queued", done=1), "waiting: 1 request ahead", None),
        (Progress(stage="queued"), "waiting: the model kernel has too many requests", None),
    ],
)
def test_progress_says_what_and_how_much(event, text, fraction):
    assert progress_report(event) == (text, fraction)


def test_a_terminal_gets_the_text_as_it_comes():
    stdout = io.StringIO()
    output = TerminalOutput(View(), stdout=stdout)
    output.update(growing("a"))
    assert stdout.getvalue() == "a"
    output.update(growing("a fox"))
    assert stdout.getvalue() == "a fox"
    output.finish([completion("a fox\x1b[2J")])
    assert stdout.getvalue() == "a fox␛[2J\n"


def test_a_terminal_gets_samples_one_after_the_other():
    stdout = io.StringIO()
    output = TerminalOutput(View(), stdout=stdout)
    both = completions("a fox", options=SamplingOptions(seed=1, n=2), finish_reason=None)
    output.update(both)
    assert stdout.getvalue() == "[1]\na fox"
    output.finish(completions("a fox", options=SamplingOptions(seed=1, n=2)))
    assert stdout.getvalue() == "[1]\na fox\n[2]\na fox\n"


def test_a_terminal_marks_what_was_cut_off():
    stdout = io.StringIO()
    TerminalOutput(View(), stdout=stdout).finish(growing("a"), reason="incomplete: interrupted")
    assert stdout.getvalue() == "a\n[incomplete: interrupted]\n"


def test_progress_in_a_terminal_leaves_no_trace():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stdout = Terminal()
    output = TerminalOutput(View(), stdout=stdout)
    output.progress(Progress(stage="reading", model="gpt2"))
    output.update(growing("a"))
    *_, progress, blank, text = stdout.getvalue().split("\r")
    assert progress == "loading gpt2…"
    assert blank == " " * len(progress)
    assert text == "a"


def test_progress_is_not_written_into_a_file():
    stdout = io.StringIO()
    TerminalOutput(View(), stdout=stdout).progress(Progress(stage="starting"))
    assert stdout.getvalue() == ""
