from __future__ import annotations

import io
import sys
import threading
from contextvars import ContextVar
from types import SimpleNamespace

import pytest

from gpt_notebook.display import progress
from gpt_notebook.protocol import Progress


class Clock:
    """A time that tests make pass, and what is to be called later in it."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def __call__(self):
        return self.now

    def later(self, seconds, call):
        entry = (self.now + seconds, call)
        self.calls.append(entry)
        return SimpleNamespace(cancel=lambda: self.calls.remove(entry) if entry in self.calls else None)

    def pass_to(self, now):
        while due := [each for each in self.calls if each[0] <= now]:
            first = min(due, key=lambda each: each[0])
            self.calls.remove(first)
            self.now = first[0]
            first[1]()
        self.now = now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shown():
    return []


@pytest.fixture
def bar(clock, shown):
    def publish(data, **how):
        shown.append((data["text/plain"], how))

    return progress.NotebookBar("rows", publish, clock=clock, later=clock.later)


def test_a_bar_is_updated_in_place_and_wiped_at_the_end(bar, clock, shown):
    for done in range(3):
        clock.pass_to(clock.now + 1)
        bar(done, 2)
    assert [text for text, _ in shown] == ["rows: 0 of 2", "rows: 1 of 2", ""]
    assert [how["update"] for _, how in shown] == [False, True, True]
    assert len({how["transient"]["display_id"] for _, how in shown}) == 1


def test_what_is_done_at_once_shows_no_bar(bar, shown):
    bar(0, 1)
    bar(1, 1)
    assert shown == []


def test_before_the_first_is_done_it_says_so(bar, clock, shown):
    bar(24, 300)
    clock.pass_to(60)
    assert [text for text, _ in shown] == ["rows: 24 of 300"]


def test_of_rows_that_end_together_only_the_last_count_is_shown_although_no_more_comes(bar, clock, shown):
    clock.pass_to(1)
    for done in range(1, 25):
        bar(done, 300)
    clock.pass_to(60)
    assert [text for text, _ in shown] == ["rows: 24 of 300"]


def test_a_bar_that_is_closed_says_nothing_any_more(bar, clock, shown):
    bar(0, 2)
    bar.close()
    clock.pass_to(60)
    assert shown == []


def test_what_is_shown_later_is_so_in_time_and_for_the_cell_that_runs():
    cell, seen, done = ContextVar("cell"), [], threading.Event()

    def call():
        seen.append(cell.get(None))
        done.set()

    cell.set("first")
    progress.later(0, call)
    assert done.wait(10)
    assert seen == ["first"]


def test_a_front_end_gets_no_more_updates_than_it_can_show(bar, clock, shown):
    for done in range(1000):
        clock.pass_to(clock.now + progress.INTERVAL / 10)
        bar(done, 1000)
    assert 90 <= len(shown) <= 100


def test_the_time_that_is_left_is_told_once_it_can_be_foreseen(bar, clock, shown):
    bar(400, 1000)  # done by an earlier call: says nothing of the speed
    clock.pass_to(1)
    bar(500, 1000)
    clock.pass_to(10)
    bar(600, 1000)
    clock.pass_to(11)
    assert [text for text, _ in shown] == [
        *("rows: 400 of 1,000", "rows: 500 of 1,000", "rows: 600 of 1,000, about 20 s left"),
    ]


def test_what_had_to_happen_first_says_nothing_of_the_time_that_is_left(bar, clock, shown):
    bar(0, 100)
    bar.waiting(Progress(stage="starting"))
    for done, now in [(1, 60), (2, 61), (50, 85)]:
        clock.pass_to(now)
        bar(done, 100)
    clock.pass_to(86)
    assert [text for text, _ in shown][1:] == ["rows: 1 of 100", "rows: 2 of 100", "rows: 50 of 100, about 26 s left"]


def test_what_has_to_happen_first_is_shown_in_its_place(bar, clock, shown):
    clock.pass_to(1)
    bar.waiting(Progress(stage="reading", model="gpt2", done=10**6, total=4 * 10**6))
    assert [text for text, _ in shown] == ["loading gpt2: 1 of 4 MB"]


def test_a_bar_that_is_left_early_is_wiped(bar, clock, shown):
    clock.pass_to(1)
    bar(1, 2)
    clock.pass_to(2)
    bar.close()
    bar.close()
    assert [text for text, _ in shown] == ["rows: 1 of 2", ""]


def test_a_terminal_has_a_line_that_is_overwritten(clock):
    stream = io.StringIO()
    bar = progress.TerminalBar("rows", stream, clock=clock, later=clock.later)
    for done in (10, 9, 20):
        clock.pass_to(clock.now + 1)
        bar(done, 20)
    assert stream.getvalue() == "\rrows: 10 of 20\rrows: 9 of 20 \r             \r"


def test_where_nobody_looks_there_is_none(capsys):
    bar = progress.bar("rows")
    assert type(bar) is progress.Bar
    bar(0, 2)
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def said(monkeypatch):
    """What a notebook is told while a line is shown."""
    said = []
    display_pub = SimpleNamespace(publish=lambda data, **_: said.append(data["text/plain"]))
    shell = SimpleNamespace(kernel=object(), display_pub=display_pub)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return said


LOADING = Progress(stage="reading", model="gpt2", done=312_000_000, total=548_000_000)


def test_what_takes_long_is_said_in_a_line_and_wiped_whatever_happens(said, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0)

    def interrupted():
        with progress.line() as report:
            report(LOADING)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert said == ["loading gpt2: 312 of 548 MB", ""]


def test_a_note_is_a_line_of_the_output_in_a_notebook_and_a_message_elsewhere(capsys, request):
    progress.note("going on")
    assert capsys.readouterr() == ("", "going on\n")
    said = request.getfixturevalue("said")
    progress.note("going on")
    assert (said, capsys.readouterr()) == (["going on"], ("", ""))


def test_what_is_there_at_once_is_not_said(said):
    with progress.line() as report:
        report(LOADING)
    assert said == []


def test_a_bar_can_say_something_of_its_own(bar, clock, shown):
    clock.pass_to(1.0)
    bar.say("pip: step 3 of 9, loss 2.5", 3 / 9)
    assert [text for text, _ in shown] == ["pip: step 3 of 9, loss 2.5"]
