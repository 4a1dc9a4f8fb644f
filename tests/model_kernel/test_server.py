"""Where the model kernel listens, and what it finds there."""

from __future__ import annotations

import contextlib
import os
import socket

from gpt_notebook.model_kernel import server
from gpt_notebook.model_kernel.server import local_listener
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import Settings
from gpt_notebook.testing import FakeEngine, serving


def test_a_socket_that_is_left_over_is_replaced_and_the_log_says_why_it_was_there(caplog):
    runtime = RuntimeDirectory.of(Settings.from_environment())
    runtime.create()
    with local_listener(runtime):
        pass
    assert caplog.messages == []
    runtime.socket.touch()
    with local_listener(runtime):
        assert runtime.socket.is_socket()
    assert caplog.messages == ["the model kernel before this one left without a word: it was killed, or memory ran out"]


def test_leaving_takes_nobody_elses_socket_along():
    runtime = RuntimeDirectory.of(Settings.from_environment())
    runtime.create()
    with local_listener(runtime):
        runtime.socket.unlink()
        successor = local_listener(runtime)
        successor.__enter__()
    assert runtime.socket.is_socket()
    successor.__exit__(None, None, None)
    assert not runtime.socket.exists()


def test_another_user_is_hung_up_on_without_a_word(caplog, monkeypatch):
    with serving(FakeEngine()) as model_kernel, contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        monkeypatch.setattr(server, "_peer_uid", lambda _: os.getuid() + 1)
        connection.settimeout(10)
        connection.connect(model_kernel.address.removeprefix("unix:"))
        assert connection.recv(1) == b""
        monkeypatch.undo()
        assert model_kernel.client().status().state == "ready"
    assert caplog.messages == []
