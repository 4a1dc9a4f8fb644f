"""What a broken or hostile view gets: one readable sentence, whatever it asks, and nothing that grows without a bound."""

from __future__ import annotations

import re

import pytest
from panel_views import View

from gpt_notebook.testing import FakeEngine, serving
from gpt_notebook.widgets.attention import AttentionPanel

ALL = {"which": 0, "part": "decoder"}
HEAD = {**ALL, "layer": 0, "head": 0}
GRID = {"size": 4, "hide_sink": True}


@pytest.fixture(scope="module")
def served():
    with serving(FakeEngine("x", n_heads=4)) as served:
        yield served


@pytest.fixture
def view(served, built, monkeypatch):
    monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
    monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
    return View(AttentionPanel("Pip saw a fox and ran"))


BAD = [
    ("overview", {**ALL, **GRID, "layers": 7}, "layers is a list of layers"),
    ("overview", {**ALL, **GRID, "layers": [0, [1]]}, "layers is a list of layers"),
    ("overview", {**ALL, **GRID, "layers": [9]}, "layer 9 is not there"),
    ("overview", {**ALL, "layers": None, "size": "4", "hide_sink": True}, "size is a whole number"),
    ("overview", {**ALL, "layers": None, "size": 10**9, "hide_sink": True}, "size"),
    ("overview", {**ALL, "layers": None, "size": 4, "hide_sink": 1}, "hide_sink is one of True, False"),
    ("overview", {"which": True, "part": "decoder", "layers": None, **GRID}, "which is one of 0, 1"),
    ("overview", {"which": 0, "part": ["decoder"], "layers": None, **GRID}, "part is one of"),
    ("overview", {"which": 0, "part": "cross", "layers": None, **GRID}, "no 'cross' attention"),
    ("tile", {**HEAD, "queries": [0, 3, 4], "keys": [0, 3]}, "queries is a pair"),
    ("tile", {**HEAD, "queries": "fox", "keys": [0, 3]}, "queries is a pair"),
    ("tile", {**HEAD, "queries": {"0": 1}, "keys": [0, 3]}, "queries is a text or a list of positions"),
    ("tile", {**HEAD, "queries": [3, 1], "keys": [0, 3]}, "queries 3:1 has no position"),
    ("tile", {**HEAD, "queries": [0, 3], "keys": [0, 3], "reduction": "min"}, "reduction is one of 'mean', 'max'"),
    ("exact", {**HEAD, "queries": [0.5, 3], "keys": [0, 3]}, "queries is a text or a list of positions"),
    ("exact", {**HEAD, "queries": [-9999, 9999], "keys": [-9999, 9999]}, "numbers are too many at once"),
    ("exact", {**ALL, "layer": None, "head": 0, "queries": [0, 3], "keys": [0, 3]}, "layer is a whole number"),
    ("exact", {**ALL, "layer": 0, "head": 2**40, "queries": [0, 3], "keys": [0, 3]}, "head is a whole number"),
    ("rows", {**ALL, "heads": [[0, 0, 0]], "query": 1}, "heads is a list of pairs"),
    ("rows", {**ALL, "heads": [7], "query": 1}, "heads is a list of pairs"),
    ("rows", {**ALL, "heads": [[0, 0]] * 9, "query": 1}, "9 heads are too many at once: the model has 8"),
    ("columns", {**ALL, "heads": [[0, 9]], "key": 1}, "head 9 is not there"),
    ("columns", {**ALL, "heads": [[0, 0]], "key": 99}, "reaches beyond the text"),
    ("scores", {**ALL, "kind": "sinks"}, "kind is one of"),
    ("scores", {**ALL, "kind": "from-to", "queries": [99], "keys": [0]}, "99"),
    ("positions", {**ALL, "text": 5, "of": "query"}, "text is a text"),
    ("positions", {**ALL, "text": "fox", "of": "values"}, "of is one of 'query', 'key'"),
    ("steps", {**HEAD, "query": 99}, "query 99 is not there"),
    ("lens", {"position": [0], "k": 3}, "position is a whole number"),
    ("lens", {"position": 0, "k": -1}, "k"),
    ("ablate", {"heads": [], "position": 0}, "heads is empty"),
    ("ablate", {"heads": [["0", "0"]], "position": 0}, "heads is a list of pairs"),
    ("diff", {"part": None}, "part is one of"),
    ("open", {"layer": 0}, "layer"),
    ("exact", {}, "missing"),
    ("memory", {}, "no method 'memory'"),
]


@pytest.mark.parametrize(("method", "params", "says"), BAD, ids=[f"{i}-{each[0]}" for i, each in enumerate(BAD)])
def test_a_bad_question_is_refused_in_one_sentence(view, method, params, says):
    error = view.error(method, **params)
    assert says in error["message"]
    assert error["code"] != "error"
    assert not re.search(r"Error:|Exception|Traceback|\n", error["message"])
    assert len(error["message"]) < 250


def test_layers_that_are_asked_for_again_and_again_come_once(view):
    found = view.wait(view.ask("overview", **ALL, **GRID, layers=[1, 0] * 500))
    assert [message["result"].get("layer") for message, _ in found] == [1, 0, None]
