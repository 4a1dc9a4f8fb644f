"""What a `%%gpt` cell leaves that is interrupted or fails: its text, its value, one line; and no older value."""

from __future__ import annotations

import pytest

from gpt_notebook import api
from gpt_notebook.errors import ConnectionLost, GenerationInterrupted, InvalidRequest
from gpt_notebook.protocol import Progress


def text_of(output):
    return output.data["text/plain"]


def interrupted_while_starting(prompt, **options):
    yield Progress(stage="starting")
    raise KeyboardInterrupt


def test_an_interrupt_keeps_the_text_and_stops_run_all(shell, model):
    model.breaks_with = KeyboardInterrupt()
    with pytest.raises(GenerationInterrupted) as interrupt:
        shell.run("%%gpt\nOnce")
    (output,) = shell.outputs()
    assert text_of(output) == " a little fox\n[incomplete: interrupted]"
    assert interrupt.value.partial[0].text == " a little fox"
    assert model.closed == 1


def test_an_interrupt_is_one_line(shell, model, capsys):
    model.breaks_with = KeyboardInterrupt()
    shell.run_cell("%%gpt\nOnce")
    assert capsys.readouterr().out.strip() == "Interrupted: the text above is incomplete."


def test_an_interrupt_before_any_text_leaves_nothing_incomplete(shell, monkeypatch, capsys):
    monkeypatch.setattr(api, "events", interrupted_while_starting)
    shell.run_cell("%%gpt\nOnce")
    assert capsys.readouterr().out.strip() == "Interrupted."


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ConnectionLost("the model kernel went away")])
@pytest.mark.parametrize("count", [1, 2])
def test_what_came_of_a_cell_that_fails_is_its_value(shell, model, failure, count):
    model.breaks_with = failure
    shell.run("story = 'an older one'")
    with pytest.raises((GenerationInterrupted, ConnectionLost)):
        shell.run(f"%%gpt --into story -n {count}\nOnce")
    story = shell.user_ns["story"]
    samples = story if count > 1 else [story]
    assert [each.finish_reason for each in samples] == [None] * count
    assert samples[0].text == " a little fox"
    assert shell.user_ns["_"] is story
    assert shell.user_ns["Out"][shell.execution_count - 1] is story


def test_an_older_value_does_not_pass_for_that_of_a_cell_that_fails(shell, monkeypatch):
    monkeypatch.setattr(api, "events", interrupted_while_starting)
    shell.run("story = 'an older one'")
    with pytest.raises(GenerationInterrupted):
        shell.run("%%gpt --into story\n{story}")
    assert "story" not in shell.user_ns


def test_a_refused_cell_leaves_the_variable(shell, model):
    shell.run("story = 'an older one'")
    with pytest.raises(InvalidRequest):
        shell.run("%%gpt --into story --max 0\nOnce")
    assert shell.user_ns["story"] == "an older one"


def test_an_error_in_mid_stream_keeps_the_text(shell, model):
    model.breaks_with = ConnectionLost("the model kernel went away: run the cell again")
    with pytest.raises(ConnectionLost) as error:
        shell.run("%%gpt\nOnce")
    assert text_of(shell.outputs()[0]) == " a little fox\n[incomplete]"
    assert error.value.partial[0].text == " a little fox"
