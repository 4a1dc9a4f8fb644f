"""BertViz's views: its own page, with the right numbers under the right names, and never more than a browser bears."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from attention_stubs import part_of, stub, tokens_of

import gpt_notebook as gpt
from gpt_notebook.errors import InvalidRequest

pytest.importorskip("bertviz")
# BertViz leaves its script's file open.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


class _Scripts(HTMLParser):
    """The scripts of a page as a browser sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self._inside = tag == "script"
        if self._inside:
            self.found.append("")

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "script"

    def handle_data(self, data):
        if self._inside:
            self.found[-1] += data


def parameters(shown) -> dict:
    """What BertViz's script is given."""
    script = _Scripts(shown.data).found[-1]
    return json.JSONDecoder().raw_decode(script, script.index("const params = ") + len("const params = "))[0]


def ramp(request):
    """An array of the shape that is asked for, in which each number is another."""
    shape = (1, 4, min(request.size, 3), min(request.size, 3))
    return (np.arange(36, dtype=np.float32).reshape(shape) / 100) + request.layers[0]


@pytest.mark.parametrize("view", ["head", "model"])
def test_the_view_has_every_number_to_four_digits(attention, view):
    given = parameters(attention.bertviz(view))
    (shown,) = given["attention"]
    assert shown["left_text"] == shown["right_text"] == ["Pip", "·saw", "·a", "·fox", "·and", "·He", "·ran"]
    assert given["include_layers"] == [0, 1]
    exact = np.array([[attention.map(layer, head) for head in range(3)] for layer in range(2)])
    np.testing.assert_allclose(shown["attn"], exact, atol=0.00005)


def test_the_numbers_are_in_the_page_once(attention):
    page = attention.bertviz("head").data
    assert page.count('"left_text"') == 1
    assert "const TEXT_SIZE" in page  # what comes after them is still there


@pytest.mark.parametrize("view", ["head", "model"])
def test_a_line_says_why_nothing_appears_until_the_script_removes_it(attention, view):
    shown = attention.bertviz(view)
    notice = re.search(
        r'<div id="(bertviz-notice-\w+)"[^>]*>BertViz takes its libraries from the internet', shown.data
    )[1]
    script = _Scripts(shown.data).found[-1]
    libraries, removed = script.index("requirejs(["), script.index(f"document.getElementById('{notice}')?.remove();")
    assert libraries < removed < script.index("const params = ")


def test_some_layers_and_heads_keep_their_numbers():
    attention = stub(tokens_of("a", "b", "c"), (part_of(3, heads=(4, 4, 4)),), arrays=ramp)
    given = parameters(attention.bertviz("model", layers=[2, 1], heads=[3, 1]))
    assert (given["include_layers"], given["include_heads"], given["total_heads"]) == ([2, 1], [3, 1], 4)
    shown = np.array(given["attention"][0]["attn"])
    assert shown.shape == (2, 2, 3, 3)
    np.testing.assert_allclose(shown[0, 0, 0], [2.27, 2.28, 2.29], atol=1e-4)  # layer 2, head 3
    assert [request.layers for request in attention._kept.asked] == [(2,), (1,)]


def test_the_head_view_has_only_the_heads_that_are_named():
    attention = stub(tokens_of("a", "b", "c"), (part_of(3, heads=(4, 4, 4)),), arrays=ramp)
    shown = np.array(parameters(attention.bertviz("head", layers=[1], heads=[2]))["attention"][0]["attn"])
    assert shown.shape == (1, 1, 3, 3)
    np.testing.assert_allclose(shown[0, 0, 0], [1.18, 1.19, 1.2], atol=1e-4)


@pytest.mark.parametrize("view", ["head", "model"])
def test_an_encoder_decoder_has_all_its_parts_to_choose_from(view):
    parts = (part_of(3, name="encoder"), part_of(2, name="decoder"), part_of(2, 3, name="cross"))
    lengths = {part.name: (part.n_queries, part.n_keys) for part in parts}
    attention = stub(
        tokens_of("a", "b", "c"),
        parts,
        targets=tokens_of("<s>", "x"),
        arrays=lambda request: np.full((1, 3, *lengths[request.part]), 0.5, np.float32),
    )
    shown = parameters(attention.bertviz(view))["attention"]
    assert [each["name"] for each in shown] == ["Encoder", "Decoder", "Cross"]
    assert (shown[2]["left_text"], shown[2]["right_text"]) == (["<s>", "x"], ["a", "b", "c"])
    assert np.array(shown[2]["attn"]).shape == (2, 3, 2, 3)
    (alone,) = parameters(attention.bertviz(view, part="cross"))["attention"]
    assert alone == shown[2]
    (alone,) = parameters(attention.bertviz(view, part="encoder"))["attention"]
    assert alone["left_text"] == ["a", "b", "c"]


def test_layers_without_attention_are_left_out():
    attention = stub(tokens_of("a", "b", "c"), (part_of(3, heads=(0, 4, 0, 4)),), arrays=ramp)
    assert parameters(attention.bertviz("model"))["include_layers"] == [1, 3]


@pytest.mark.parametrize("view", ["head", "model"])
@pytest.mark.parametrize(
    "token", ["</script>", "</SCRIPT ", "<!--<script>", "; // HACK: ", "PYTHON_PARAMS", " is a template marker", "\u2028", "\\ue000"]
)  # fmt: skip
def test_no_token_breaks_out_of_the_script(engine, view, token):
    attention = stub(tokens_of("a", token, "c"), (part_of(3, heads=(4,)),), arrays=ramp)
    page = attention.bertviz(view)
    assert len(_Scripts(page.data).found) == 2
    (shown,) = parameters(page)["attention"]
    expected = token.replace(" ", "·").replace("\\ue000", "\\u003c")
    assert shown["left_text"] == ["a", expected, "c"]


@pytest.mark.parametrize(
    ("view", "choice", "message"),
    [
        ("model", {}, "BertViz's model view of 12 layers with 12 heads over 512 tokens takes 302 MB of text and 37,748,736 lines at once, of 32 MB and 300,000 that a browser bears: name fewer with layers= or heads=, take at most 45 tokens"),
        ("head", {}, "12 heads over 512 tokens takes 302 MB of text and 3,145,728 lines at once"),
        ("head", {"layers": [0]}, "take at most 158 tokens"),
        ("model", {"layers": [0], "heads": [0, 1]}, "take at most 387 tokens"),
    ],
)  # fmt: skip
def test_more_than_a_browser_bears_is_refused_before_it_is_computed(view, choice, message):
    attention = stub(tokens_of(*["a"] * 512), (part_of(512, heads=[12] * 12),))
    with pytest.raises(InvalidRequest) as refusal:
        attention.bertviz(view, **choice)
    assert message in refusal.value.message
    assert attention._kept.asked == []


def test_what_is_within_the_bound_weighs_no_more_than_was_said():
    attention = stub(
        tokens_of(*["a"] * 100),
        (part_of(100, heads=[4] * 2),),
        arrays=lambda _: np.random.default_rng(0).random((1, 4, 100, 100), dtype=np.float32),
    )
    assert len(attention.bertviz("head").data) < 8 * 4 * 2 * 100 * 100 + 20_000


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda a: a.bertviz("neuron"), "view is one of head, model, not 'neuron'"),
        (lambda a: a.bertviz(layers=[2]), "layer 2 is not there: there are layers 0 to 1"),
        (lambda a: a.bertviz(heads=[3]), "head 3 is not there: there are heads 0 to 2 in layer 1"),
        (lambda a: a.bertviz(heads=[]), "heads is empty: name at least one, or leave it out for all"),
        (
            lambda a: a.bertviz(),
            "there are 3 heads in the decoder's layer 1 and 4 heads in the decoder's layer 0, and BertViz shows equally many",
        ),
    ],
)
def test_a_view_that_makes_no_sense_is_refused(ask, message):
    attention = stub(tokens_of("a"), (part_of(1, heads=(4, 3)),))
    with pytest.raises(InvalidRequest) as refusal:
        ask(attention)
    assert message in refusal.value.message


def test_without_bertviz_the_next_step_is_said(engine, monkeypatch):
    monkeypatch.setitem(sys.modules, "bertviz", None)
    with pytest.raises(InvalidRequest, match=r"needs bertviz, .* run  pip install 'gpt-notebook\[viz\]'"):
        gpt.attention("Hi").bertviz()
