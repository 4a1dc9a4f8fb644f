"""A saved panel: one file that asks nobody for anything, and holds what was looked at."""

from __future__ import annotations

import base64
import json
import re
import weakref

import numpy as np
import pytest
from panel_views import View

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.testing import FakeEngine, serving
from gpt_notebook.widgets._page import page
from gpt_notebook.widgets._questions import Memory, Remembered
from gpt_notebook.widgets.attention import AttentionPanel


def remembered(number=0, size=4, **params):
    buffer = memoryview(bytes([number]) * size)
    return Remembered("tile", {"number": number, **params}, ({"peak": 1.0}, [buffer]))


def made(tmp_path, *, answers=(), title="Attention", twin="<p>twin</p>", state=None, code="export {}", style=""):
    (tmp_path / "attention.js").write_text(code, "utf-8")
    (tmp_path / "attention.css").write_text(style, "utf-8")
    return page(title=title, twin=twin, state=state or {}, answers=answers, static=tmp_path, bundle="attention")


def within(html, name):
    """What a script element holds, as a browser reads it: up to the first `</script`."""
    return re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script', html, re.DOTALL)[1]


# --- the file -------------------------------------------------------------------------------------------------------


def test_the_bundle_comes_out_as_it_went_in(tmp_path):
    code = 'const a = "</script><!--"; if (1<!--a) {}\n// ünïcode 🦊'
    assert base64.b64decode(within(made(tmp_path, code=code), "gpt-bundle")).decode() == code


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "<!--<script>", "]]>", "\u2028\u2029", "\ud800", 'a"b\\', "\x00\x1b"]
)
def test_what_a_text_says_ends_no_script(tmp_path, text):
    html = made(tmp_path, state={"from": text}, answers=[remembered(text=text)])
    html.encode("utf-8")
    saved = json.loads(within(html, "gpt-saved"))
    assert saved["state"] == {"from": text}
    assert saved["answers"][0]["params"]["text"] == text
    assert html.count("<script") == html.count("</script>") == 3


def test_a_title_is_no_markup(tmp_path):
    assert "<title>&lt;/title&gt;&lt;b&gt;</title>" in made(tmp_path, title="</title><b>")


def test_a_style_cannot_end_itself(tmp_path):
    html = made(tmp_path, style='.a::after { content: "</style><script>alert(1)</script>" }')
    assert html.count("</style>") == 1


def test_nothing_may_be_fetched(tmp_path):
    html = made(tmp_path)
    assert "default-src 'none'" in html
    assert not re.search(r'(src|href)="', html)


def test_the_twin_stands_where_no_script_runs(tmp_path):
    assert '<div id="gpt-panel"><p>twin</p></div>' in made(tmp_path)


# --- what is remembered ---------------------------------------------------------------------------------------------


def test_the_latest_answer_to_a_question_counts():
    memory = Memory()
    memory.keep(Remembered("tile", {"a": 1, "b": 2}, ({"peak": 1}, [])))
    memory.keep(Remembered("tile", {"b": 2, "a": 1}, ({"peak": 2}, [])))
    assert [each.answer[0] for each in memory.all()] == [{"peak": 2}]


def test_the_oldest_are_forgotten_when_there_are_too_many():
    memory = Memory(most=2 * remembered(0).bytes)
    for number in range(4):
        memory.keep(remembered(number))
    assert [each.params["number"] for each in memory.all()] == [2, 3]
    memory.keep(remembered(2))
    memory.keep(remembered(4))
    assert [each.params["number"] for each in memory.all()] == [2, 4]


def test_what_is_too_large_by_itself_takes_no_others_place():
    memory = Memory(most=remembered(1).bytes)
    memory.keep(remembered(1))
    memory.keep(remembered(2, size=1000))
    assert [each.params["number"] for each in memory.all()] == [1]


def test_an_answer_without_buffers_counts_by_its_text():
    answer = Remembered("lens", {"position": 3}, ({"layers": ["x" * 5000]}, []))
    assert 5000 < answer.bytes < 6000


def test_an_answer_keeps_no_array_alive_that_it_is_a_piece_of():
    memory = Memory()
    whole = np.zeros((1000, 4), np.float32)
    still_there = weakref.ref(whole)
    memory.keep(Remembered("steps", {}, ({}, [whole[3].view(np.uint8).data]), (({}, [whole[4].view(np.uint8).data]),)))
    del whole
    assert still_there() is None
    assert [len(buffer) for result in (memory.all()[0].answer, *memory.all()[0].parts) for buffer in result[1]] == [
        16,
        16,
    ]


# --- a panel --------------------------------------------------------------------------------------------------------


@pytest.fixture
def panel(monkeypatch, built):
    with serving(FakeEngine("x")) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        yield AttentionPanel("Pip </script> saw a fox")


def answers(path):
    saved = json.loads(within(path.read_text("utf-8"), "gpt-saved"))
    return saved, {(each["method"], json.dumps(each["params"], sort_keys=True)): each for each in saved["answers"]}


def test_what_a_view_was_answered_is_in_the_page(panel, tmp_path):
    view = View(panel)
    question = {"which": 0, "part": "decoder", "layer": 1, "head": 1, "queries": [0, 3], "keys": [0, 3], "size": 3}
    (message, (buffer,)) = view.wait(view.ask("tile", **question))[-1]
    view.error("positions", which=0, part="decoder", text="nothing", of="key")
    saved, known = answers(panel.save(tmp_path / "lesson.html"))
    found = known["tile", json.dumps(question, sort_keys=True)]
    assert found["answer"] == message["result"]
    assert [base64.b64decode(each) for each in found["buffers"]] == [bytes(buffer)]
    assert saved["state"] == panel.state
    assert not [method for method, _ in known if method == "positions"]


def test_a_panel_that_nobody_has_looked_at_can_be_explored_a_little(panel, tmp_path):
    _, known = answers(panel.save(tmp_path / "lesson.html"))
    assert {method for method, _ in known} == {"open", "exact", "overview", "scores"}
    (opened,) = (each for (method, _), each in known.items() if method == "open")
    assert [token["text"] for token in opened["answer"]["info"]["tokens"]][1] == " </script>"
    layer, head = panel.chosen
    whole = {"which": 0, "part": "decoder", "queries": [0, 5], "keys": [0, 5], "layer": layer, "head": head}
    exact = known["exact", json.dumps({**whole, "hide_sink": False}, sort_keys=True)]
    numbers = np.frombuffer(base64.b64decode(exact["buffers"][0]), "<f4").reshape(exact["answer"]["shape"])
    np.testing.assert_array_equal(numbers, panel.attention.map(layer, head))
    (overview,) = (each for (method, _), each in known.items() if method == "overview")
    assert [part["result"]["layer"] for part in overview["parts"]] == [0, 1]


def test_heads_that_are_kept_can_be_explored_as_the_chosen_one(panel, tmp_path):
    panel.state = {"view": "lines", "kept": [(0, 1)]}
    saved, known = answers(panel.save(tmp_path / "lesson.html"))
    assert saved["state"]["kept"] == [[0, 1]]
    heads = {
        (each["params"]["layer"], each["params"]["head"]) for (method, _), each in known.items() if method == "exact"
    }
    assert heads == {panel.chosen, (0, 1)}


def test_a_page_is_written_whole_or_not_at_all(panel, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert panel.save("~/lesson.html") == tmp_path / "lesson.html"
    assert [each.name for each in tmp_path.glob("*lesson*")] == ["lesson.html"]
    for path in (tmp_path, tmp_path / "nowhere" / "lesson.html"):
        with pytest.raises(InvalidRequest, match="can be no file"):
            panel.save(path)


@pytest.mark.parametrize(
    ("state", "method"),
    [
        ({"query": 2}, "rows"),
        ({"direction": "by", "hide_sink": False}, "columns"),
        ({"direction": "by", "key": 1}, "exact"),
    ],
)
def test_the_mean_of_a_layer_is_in_the_page(panel, tmp_path, state, method):
    panel.state = {"view": "lines", "layer_mean": True, **state}
    _, known = answers(panel.save(tmp_path / "lesson.html"))
    found = [each["params"] for (name, _), each in known.items() if name == method]
    layer, n_heads = panel.chosen[0], panel.attention.n_heads
    if method == "exact":
        assert {each["head"] for each in found if each["keys"] == [1, 2] and each["hide_sink"]} == set(range(n_heads))
        return
    (params,) = found
    assert params["heads"] == [[layer, head] for head in range(n_heads)]
    assert params.get("query", params.get("key")) == state.get("query", len(panel.attention.tokens) - 1)
