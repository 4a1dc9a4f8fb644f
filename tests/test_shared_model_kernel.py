"""The real model kernel as a process: shared by all who ask at once, replaced when it dies, gone when it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from model_kernel import tiny_models

import gpt_notebook as gpt
from gpt_notebook import identity, launcher
from gpt_notebook.completion import Collector
from gpt_notebook.errors import ConnectionLost, GenerationInterrupted, ModelKernelBusy
from gpt_notebook.protocol import Finished, Tokens
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import Settings

PROCESSES = 20
CONTEXT = 8192
"""Room for a generation that is still running when something happens to it."""

ASK = """
import sys
from gpt_notebook import api, launcher
sys.stdin.read()
print(launcher.ensure(api.session.settings).status().pid)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Settings]:
    """Where the model kernel of these tests lives, and its model; what a test does to it, the next call makes good."""
    with tempfile.TemporaryDirectory(prefix="gpt-") as base:
        model = tiny_models.save(tmp_path_factory.mktemp("tiny"), n_positions=CONTEXT)
        settings = Settings(runtime_dir=Path(base, "run"), home=Path(base, "home"), model=str(model))
        yield settings
        launcher.stop(settings, force=True)


@pytest.fixture
def shared(home, monkeypatch) -> Settings:
    for name in ("runtime_dir", "home", "model"):
        monkeypatch.setenv(f"GPT_NOTEBOOK_{name.upper()}", str(getattr(home, name)))
    return home


def running_generation():
    """A generation of which some tokens have come and most are to come; the greedy text of this model has no end."""
    events = gpt.events("Once", max_new_tokens=CONTEXT - 10, temperature=0)
    collector = Collector()
    for event in events:
        collector.add(event)
        if isinstance(event, Tokens):
            return events, collector
    raise AssertionError


def test_processes_that_ask_at_once_get_one_and_the_same(shared):
    environment = os.environ | {"PYTHONPATH": str(identity.PACKAGE.parent)}
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(PROCESSES)
    ]
    for process in asking:
        process.stdin.close()
        process.stdin = None
    answers = [process.communicate()[0].strip() for process in asking]
    assert answers == [str(gpt.status().pid)] * PROCESSES


def test_a_kill_in_mid_stream_is_an_error_at_once_and_the_next_call_works(shared):
    events, collector = running_generation()
    killed = gpt.status().pid
    os.kill(killed, signal.SIGKILL)
    rest = map(collector.add, events)
    with pytest.raises(ConnectionLost):
        list(rest)
    (partial,) = collector.completions()
    assert partial.tokens
    assert not partial.complete
    assert gpt.generate("Once", max_new_tokens=3).usage.completion_tokens == 3
    assert gpt.status().pid != killed


def test_closing_a_stream_stops_the_generation(shared):
    events, _ = running_generation()
    assert len(gpt.status().requests) == 1
    events.close()
    deadline = time.monotonic() + 5
    while gpt.status().requests:
        assert time.monotonic() < deadline


def test_interrupting_keeps_the_text_and_stops_the_generation(shared, monkeypatch):
    add = Collector.add

    def interrupt(self, event):
        add(self, event)
        if isinstance(event, Tokens):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Collector, "add", interrupt)
    with pytest.raises(GenerationInterrupted) as caught:
        gpt.generate("Once", max_new_tokens=CONTEXT - 10, temperature=0)
    (partial,) = caught.value.partial
    assert partial.tokens
    assert partial.finish_reason is None
    deadline = time.monotonic() + 5
    while gpt.status().requests:
        assert time.monotonic() < deadline


def test_two_generate_at_the_same_time(shared):
    """The second, shorter one is done while the first still runs."""
    first, _ = running_generation()
    assert gpt.generate("Twice", max_new_tokens=3).complete
    assert not isinstance(next(first), Finished)
    first.close()


def test_stopping_while_it_is_used_needs_force(shared):
    events, _ = running_generation()
    with pytest.raises(ModelKernelBusy, match="--force"):
        gpt.shutdown()
    assert gpt.shutdown(force=True)
    assert gpt.status().state == "stopped"
    with RuntimeDirectory.of(shared).lock("server", wait=0) as free:
        assert free
    events.close()


def test_cancel_ends_a_generation_and_says_so(shared):
    events, collector = running_generation()
    assert gpt.cancel() == 1
    for event in events:
        collector.add(event)
    assert [each.finish_reason for each in collector.completions()] == ["cancelled"]


def test_an_idle_one_leaves(settings):
    launcher.ensure(replace(settings, idle_timeout=0.2))
    with RuntimeDirectory.of(settings).lock("server", wait=10) as free:
        assert free
    assert launcher.running(settings) is None
