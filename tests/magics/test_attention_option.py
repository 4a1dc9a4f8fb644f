"""`%%gpt --attention`: a panel below the text follows what was generated."""

from __future__ import annotations

import pytest
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from notebook_shell import new_shell

from gpt_notebook.completion import Completion
from gpt_notebook.errors import InvalidRequest, ModelUnsupported
from gpt_notebook.protocol import GenerateRequest
from gpt_notebook.testing import FakeEngine, serving
from gpt_notebook.widgets.attention import AttentionPanel

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def engine(monkeypatch, settings):
    engine = FakeEngine("and that was that.")
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        yield engine


@pytest.fixture
def panels(monkeypatch):
    """The panels that were made, built or not."""
    made = []
    monkeypatch.setattr(AttentionPanel, "_missing", None)
    monkeypatch.setattr(AttentionPanel, "_esm", "export default {}", raising=False)
    real = AttentionPanel.__init__

    def remembering(self, *arguments, **options):
        real(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(AttentionPanel, "__init__", remembering)
    return made


def test_the_panel_stands_below_the_text_and_the_completion_is_the_value(shell, engine, panels):
    value = shell.run("%%gpt --attention --max 4\nOnce upon a time")
    text, view, twin = shell.outputs()
    assert isinstance(value, Completion)
    assert shell.user_ns["_"] is value
    assert "and that was that." in text.data["text/plain"]
    assert VIEW in view.data
    assert "<img" in twin.data["text/html"]
    tokens = [token.id for token in panels[0].attention.tokens]
    assert tokens == [*value.prompt_token_ids, *(token.id for token in value.tokens)]


def test_the_attention_was_recorded_while_it_was_generated(shell, engine, panels):
    shell.run("%%gpt --attention --max 4\nOnce upon a time")
    (asked,) = (request for request in engine.asked if isinstance(request, GenerateRequest))
    assert asked.attention


def test_a_conversation_can_be_looked_into(shell, engine, panels):
    shell.run("%%gpt --attention --chat story\nHello")
    assert len(panels) == 1


def test_no_panel_without_the_option(shell, engine, panels):
    shell.run("%%gpt\nOnce")
    assert len(shell.outputs()) == 1
    assert not panels


def test_several_samples_are_refused_before_anything_is_asked(shell, engine, panels):
    with pytest.raises(InvalidRequest, match="--attention follows one completion"):
        shell.run("%%gpt --attention -n 2\nOnce")
    assert engine.asked == []


def test_a_completion_outlives_a_panel_that_fails(shell, engine, monkeypatch):
    def refuse(*_, **__):
        message = "this model has no attention"
        raise ModelUnsupported(message)

    monkeypatch.setattr(AttentionPanel, "__init__", refuse)
    with pytest.raises(ModelUnsupported, match="has no attention"):
        shell.run("%%gpt --attention --into story\nOnce")
    assert shell.user_ns["story"].text == shell.user_ns["_"].text == "and that was that."


def test_a_terminal_says_where_the_attention_is(engine, capsys):
    terminal = new_shell(TerminalInteractiveShell)
    terminal.run_cell("%%gpt --attention\nOnce", store_history=True).raise_error()
    assert capsys.readouterr().out.splitlines() == [
        "and that was that.",
        "a terminal shows no panel: gpt.attention(_) has the attention of this completion",
    ]
