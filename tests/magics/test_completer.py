"""Tab on `%%gpt` and `%gpt` lines."""

from __future__ import annotations

import threading

import pytest
from IPython.core.completer import provisionalcompleter

from gpt_notebook import api
from gpt_notebook.magics import model_names
from gpt_notebook.magics.model_names import ModelNames
from gpt_notebook.protocol import AdapterInfo, ModelInfo, Status


@pytest.fixture(autouse=True)
def running_model_kernel(monkeypatch):
    infos = [ModelInfo(name=name, source=name, loaded=False) for name in ("storyteller", "org/some-model")]
    monkeypatch.setattr(api, "status", lambda: Status(state="ready"))
    monkeypatch.setattr(api, "models", lambda: infos)
    adapters = [AdapterInfo(name="pip", source="/a/pip"), AdapterInfo(name="tale", source="/a", steps=(9, 10), best=9)]
    monkeypatch.setattr(api, "adapters", lambda: adapters)
    monkeypatch.setattr(model_names, "PATIENCE", 10.0)


def completed(shell, text):
    """What the text before the cursor can become."""
    with provisionalcompleter():
        found = list(shell.Completer.completions(text, len(text)))
    return {text[: each.start] + each.text for each in found}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("%%gpt --te", {"%%gpt --temperature"}),
        ("%%gpt --seed 3 --top", {"%%gpt --seed 3 --top-p", "%%gpt --seed 3 --top-k"}),
        ("%%gpt --format m", {"%%gpt --format markdown"}),
        ("%%gpt -m sto", {"%%gpt -m storyteller"}),
        ("%%gpt --model org/s", {"%%gpt --model org/some-model"}),
        ("%%gpt -a p", {"%%gpt -a pip"}),
        ("%%gpt --adapter tale:", {"%%gpt --adapter tale:best", "%%gpt --adapter tale:10", "%%gpt --adapter tale:9"}),
        ("%%gpt -m gpt2+p", {"%%gpt -m gpt2+pip"}),
        ("%gpt unload gpt2+p", {"%gpt unload gpt2+pip"}),
        ("%gpt ad", {"%gpt adapters"}),
        ("%gpt st", {"%gpt status"}),
        ("%gpt use ", {"%gpt use storyteller", "%gpt use org/some-model"}),
        ("%gpt load org", {"%gpt load org/some-model"}),
        ("%gpt load gpt2 --dtype f", {"%gpt load gpt2 --dtype float32", "%gpt load gpt2 --dtype float16"}),
        ("x = 1\n%gpt sh", {"x = 1\n%gpt shutdown"}),
    ],
)
def test_tab_completes_options_commands_and_names(shell, text, becomes):
    assert completed(shell, text) == becomes


def test_an_option_that_is_there_is_not_offered_again(shell):
    assert "%%gpt --seed 1 --seed" not in completed(shell, "%%gpt --seed 1 --s")
    assert "%%gpt --stop a --stop" in completed(shell, "%%gpt --stop a --s")


def test_chat_offers_the_conversations_there_are(shell, model):
    shell.run("%%gpt --chat talk\nHello")
    assert completed(shell, "%%gpt --chat ") == {"%%gpt --chat talk"}
    assert completed(shell, "%gpt reset t") == {"%gpt reset talk"}


@pytest.mark.parametrize("text", ["%%gpt --chat ", "%%gpt --chat i", "%gpt reset ", "%gpt reset i"])
def test_nothing_of_python_is_offered_for_a_conversation(shell, text):
    assert completed(shell, text) <= {text}


def test_the_text_of_a_cell_is_left_alone(shell):
    assert not any("--temperature" in each for each in completed(shell, "%%gpt\n%%gpt --te"))


def test_names_that_take_too_long_count_for_the_next_tab(monkeypatch):
    told = threading.Event()
    infos = api.models()

    def slow():
        told.wait(10)
        return infos

    monkeypatch.setattr(api, "models", slow)
    monkeypatch.setattr(model_names, "PATIENCE", 0.01)
    names = ModelNames()
    assert names() == ()
    told.set()
    monkeypatch.setattr(model_names, "PATIENCE", 10.0)
    assert names() == ("storyteller", "org/some-model")
