"""The line that a notebook shows while one waits for a model and its reading of a text."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from gpt_notebook.attention_maps import progress
from gpt_notebook.protocol import Progress

READING = Progress(stage="reading", model="gpt2", done=312_000_000, total=548_000_000)


@pytest.fixture
def shown(monkeypatch):
    """What a notebook is told: texts, each with whether it updates the output before."""
    shown = []
    display_pub = SimpleNamespace(publish=lambda data, *, update, **_: shown.append((data["text/plain"], update)))
    shell = SimpleNamespace(kernel=object(), display_pub=display_pub)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return shown


def test_what_takes_long_is_said_and_wiped_at_the_end(shown, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0)
    with progress.line() as report:
        report(READING)
        assert shown == [("loading gpt2: 312 of 548 MB", False)]
    assert shown[1:] == [("", True)]


def test_it_is_wiped_as_well_when_something_goes_wrong(shown, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0)

    def interrupted():
        with progress.line() as report:
            report(READING)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert shown[-1] == ("", True)


def test_what_is_there_at_once_shows_nothing(shown):
    with progress.line() as report:
        report(READING)
    assert shown == []


def test_a_terminal_is_told_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=SimpleNamespace))
    with progress.line() as report:
        assert report is None
