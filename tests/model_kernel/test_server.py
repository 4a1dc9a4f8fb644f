"""Where the model kernel listens, and what it finds there."""

from __future__ import annotations

from gpt_notebook.model_kernel.server import local_listener
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import Settings


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
