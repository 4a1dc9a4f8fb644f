"""The panel of a text without tokens: it teaches, refuses clearly, and is a panel in every other way."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from panel_views import View

import gpt_notebook as gpt
from gpt_notebook.errors import GptNotebookError, InvalidRequest
from gpt_notebook.testing import FakeEngine, serving
from gpt_notebook.widgets import _empty
from gpt_notebook.widgets.attention import AttentionPanel

EMPTY_TS = Path(__file__).parents[2] / "labextension" / "src" / "widgets" / "attention" / "empty.ts"


@pytest.fixture
def engine(monkeypatch):
    engine = FakeEngine("x")
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        yield engine


@pytest.fixture
def no_words(monkeypatch):
    """Have a tokenizer that leaves nothing of any text, as some do of control characters."""
    for module in ("fake_engine", "fake_inspection"):
        monkeypatch.setattr(f"gpt_notebook.testing.{module}.words", lambda _text: [])


def opened(panel):
    return View(panel).result("open")


def test_an_empty_text_is_opened_and_nobody_is_asked(built, monkeypatch):
    monkeypatch.setenv("GPT_NOTEBOOK_URL", "http://127.0.0.1:9")
    panel = AttentionPanel("", other="Pip", query=-1, layer=3)
    assert opened(panel)["info"]["tokens"] == []
    assert repr(panel) == "<AttentionPanel no tokens>"


def test_a_text_that_the_tokenizer_leaves_nothing_of_is_the_same_case(engine, built, no_words):
    assert opened(AttentionPanel("\x00"))["info"]["tokens"] == []


def test_what_is_wrong_with_a_text_that_has_tokens_is_still_told(engine, built):
    with pytest.raises(GptNotebookError, match="shorten it"):
        AttentionPanel("Pip " * 100_000)


def test_its_attention_is_refused_in_one_sentence(built):
    with pytest.raises(InvalidRequest, match="no tokens, and so no attention: give it a word"):
        _ = AttentionPanel("").attention


def test_its_state_knows_words_and_names(built):
    with pytest.raises(InvalidRequest, match="view cannot be 'matrx'"):
        AttentionPanel("", view="matrx")
    with pytest.raises(InvalidRequest, match="did you mean layer"):
        AttentionPanel("", layr=1)


def test_its_twin_and_its_page_have_the_example(built, tmp_path):
    panel = AttentionPanel("")
    assert "give" not in panel.twin()
    assert "gpt.AttentionPanel(&quot;Once upon a time" in panel.twin()
    assert "<script" not in panel.twin()
    assert "gpt.AttentionPanel(" in panel.save(tmp_path / "empty.html").read_text("utf-8")


def test_the_example_runs_and_is_the_same_in_the_browser(engine, built):
    (text,) = ast.parse(_empty.EXAMPLE, mode="eval").body.args
    assert len(gpt.AttentionPanel(text.value).attention.tokens) > 10
    source = EMPTY_TS.read_text("utf-8")
    assert re.search(r"EXAMPLE =\s+'([^']+)'", source)[1] == _empty.EXAMPLE
    for words in (_empty.WHY, _empty.COPY):
        assert words in source
