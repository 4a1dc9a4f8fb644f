"""The attention panel: what its views ask is answered as `gpt.Attention` answers, painted where it is a picture."""

from __future__ import annotations

import numpy as np
import pytest
from model_kernel import tiny_models
from panel_views import View

import gpt_notebook as gpt
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.engine import Engine
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.session import session
from gpt_notebook.settings import Settings
from gpt_notebook.testing import FakeEngine, serving
from gpt_notebook.widgets.attention import AttentionPanel

TEXT = "Pip saw a fox and He ran to a fox"
N_TOKENS = 10
ALL = {"which": 0, "part": "decoder"}
EVERYWHERE = {"queries": [0, N_TOKENS], "keys": [0, N_TOKENS]}


@pytest.fixture
def engine(monkeypatch):
    """The engine behind the model kernel that panels find; two layers of four heads."""
    engine = FakeEngine("and that was that.", models=("storyteller", "other"), n_heads=4)
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        yield engine


@pytest.fixture
def panel(engine, built):
    return AttentionPanel(TEXT)


@pytest.fixture
def view(panel):
    return View(panel)


def answer(view, method, **params):
    """The result and the buffers of a question's last word."""
    message, buffers = view.wait(view.ask(method, **params))[-1]
    assert message["kind"] == "answer", message
    return message["result"], buffers


def parts(view, method, **params):
    """What comes before the last word."""
    return view.wait(view.ask(method, **params))[:-1]


def floats(buffer, shape):
    return np.frombuffer(buffer, "<f4").reshape(shape)


def pixels(buffer, shape):
    return np.frombuffer(buffer, np.uint8).reshape(shape)


# --- opening --------------------------------------------------------------------------------------------------------


def test_it_opens_on_a_head_that_is_no_sink_and_looks_not_just_at_the_token_before(panel, view):
    opened = view.result("open")
    assert [token["text"] for token in opened["info"]["tokens"]] == [token.text for token in panel.attention.tokens]
    assert opened["chosen"] == {
        "layer": 0,
        "head": 2,
    }  # of the fake engine's patterns, the one that looks at everything
    assert panel.chosen == (0, 2)
    assert opened["other"] is None
    assert opened["generated"] is None


def test_a_named_layer_is_kept_and_its_best_head_taken(engine, built):
    panel = AttentionPanel(TEXT, layer=1, hide_sink=False)
    assert panel.chosen == (1, 1)
    assert panel.state["hide_sink"] is False


def test_a_completion_is_followed_from_where_the_model_began(engine, built):
    completion = gpt.generate("Pip saw a", attention=True)
    opened = View(AttentionPanel(completion)).result("open")
    assert opened["generated"] == 3
    assert len(opened["info"]["tokens"]) == 3 + len(completion.tokens)


def test_an_attention_has_a_panel(engine, built):
    attention = gpt.attention(TEXT)
    assert attention.panel(layer=1).attention is attention


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AttentionPanel(TEXT, other=""), "empty"),
        (lambda: AttentionPanel(TEXT, layer=2), "layer cannot be 2"),
        (lambda: AttentionPanel(TEXT, part=[]), r"part cannot be \[\]"),
        (lambda: AttentionPanel("a\ud800"), "at 1, which is half a character"),
        (lambda: AttentionPanel(TEXT, view="matrx"), "view cannot be 'matrx'"),
        (lambda: AttentionPanel(TEXT, hide_sinks=True), "hide_sinks.*did you mean hide_sink"),
        (lambda: AttentionPanel(TEXT, modle="other"), "modle.*did you mean model"),
        (lambda: AttentionPanel(gpt.attention(TEXT), model="other"), "is of storyteller: leave out model="),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_cell(engine, built, make, message):
    with pytest.raises(InvalidRequest, match=message):
        make()


@pytest.mark.parametrize(
    "text", ["fox", "a\tb\x1b[31m \u202e\x00", "שלום עולם 👩‍👩‍👧", "\n" * 50], ids=["one", "control", "rtl", "lines"]
)
def test_every_text_opens(engine, built, text):
    panel = AttentionPanel(text)
    assert View(panel).result("open")["info"]["tokens"]
    assert "\x1b" not in panel.twin()
    assert "\u202e" not in panel.twin()


# --- pictures and numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hide_sink", [True, False])
def test_the_overview_is_painted_layer_by_layer(panel, view, hide_sink):
    exact = panel.attention.overview(4, hide_sink=hide_sink)
    found = parts(view, "overview", **ALL, layers=None, size=4, hide_sink=hide_sink)
    assert [message["result"]["layer"] for message, _ in found] == [0, 1]
    for layer, (message, (buffer,)) in enumerate(found):
        peaks = np.array(message["result"]["peaks"])
        assert message["result"]["shape"] == [4, 4, 4]
        np.testing.assert_allclose(peaks, exact[layer].max(axis=(1, 2)))
        shares = exact[layer] / np.where(peaks == 0, 1, peaks)[:, None, None]
        assert np.abs(pixels(buffer, (4, 4, 4)) - 255 * shares).max() <= 0.51


def test_some_layers_come_in_the_order_that_was_asked_for(view):
    found = parts(view, "overview", **ALL, layers=[1, 0], size=2, hide_sink=True)
    assert [message["result"]["layer"] for message, _ in found] == [1, 0]


@pytest.mark.parametrize("reduction", ["mean", "max"])
def test_a_tile_is_a_rectangle_in_blocks(panel, view, reduction):
    rectangle = {"queries": [2, 9], "keys": [1, 6], "size": 3, "hide_sink": True, "reduction": reduction}
    result, (buffer,) = answer(view, "tile", **ALL, layer=1, head=2, **rectangle)
    whole = panel.attention.map(1, 2, hide_sink=True)[2:9, 1:6]
    how = getattr(np, reduction)
    edges = [(0, 2, 4, 7), (0, 1, 3, 5)]
    expected = np.array(
        [[how(whole[edges[0][i] : edges[0][i + 1], edges[1][k] : edges[1][k + 1]]) for k in range(3)] for i in range(3)]
    )
    assert result["shape"] == [3, 3]
    assert result["peak"] == pytest.approx(expected.max(), rel=1e-6)
    assert np.abs(pixels(buffer, (3, 3)) - 255 * expected / expected.max()).max() <= 0.51


def test_a_tile_without_any_attention_is_blank(view):
    result, (buffer,) = answer(view, "tile", **ALL, layer=0, head=0, queries=[0, 1], keys=[5, 9], size=4)
    assert result["peak"] == 0
    assert not any(buffer)


@pytest.mark.parametrize("hide_sink", [True, False])
def test_exact_numbers_are_those_of_the_attention(panel, view, hide_sink):
    result, (buffer,) = answer(view, "exact", **ALL, layer=1, head=1, queries=[3, 8], keys=[0, 5], hide_sink=hide_sink)
    found = floats(buffer, result["shape"])
    np.testing.assert_array_equal(found, panel.attention.map(1, 1, hide_sink=hide_sink)[3:8, :5])


def test_more_numbers_than_a_screen_can_show_are_refused(view):
    error = view.error("exact", **ALL, layer=0, head=0, queries=[0, 4096], keys=[0, 4096], hide_sink=False)
    assert "ask for a smaller rectangle" in error["message"]


@pytest.mark.parametrize("pieces", [1024, 3])
@pytest.mark.parametrize("hide_sink", [True, False])
def test_rows_and_columns_of_several_heads_come_in_the_order_of_the_heads(panel, view, hide_sink, pieces, monkeypatch):
    monkeypatch.setattr("gpt_notebook.widgets._pictures.MAX_OVERVIEW", pieces)
    heads = [[1, 2], [0, 0], [1, 0]]
    maps = np.stack([panel.attention.map(layer, head, hide_sink=hide_sink) for layer, head in heads])
    result, (buffer,) = answer(view, "rows", **ALL, heads=heads, query=4, hide_sink=hide_sink)
    np.testing.assert_array_equal(floats(buffer, result["shape"]), maps[:, 4])
    result, (buffer,) = answer(view, "columns", **ALL, heads=heads, key=4, hide_sink=hide_sink)
    np.testing.assert_array_equal(floats(buffer, result["shape"]), maps[:, :, 4])


def test_a_head_is_taken_apart_and_put_together_again(panel, view):
    (reads, _), (message, buffers) = view.wait(view.ask("steps", **ALL, layer=1, head=1, query=5))
    assert (reads["kind"], reads["result"]["stage"], reads["result"]["total"]) == ("part", "recording", N_TOKENS)
    result = message["result"]
    names = ["query", "keys", "raw_scores", "weights", "values", "output"]
    found = {name: floats(buffer, result["shapes"][name]) for name, buffer in zip(names, buffers, strict=True)}
    assert result["scaling"] == 0.5
    np.testing.assert_array_equal(found["query"], panel.attention.query(1, 1)[5])
    np.testing.assert_array_equal(found["keys"], panel.attention.key(1, 1))
    np.testing.assert_allclose(np.exp(found["raw_scores"]), found["weights"], rtol=1e-6)
    np.testing.assert_array_equal(found["values"], panel.attention.value(1, 1))
    np.testing.assert_allclose(found["output"], panel.attention.output(1, 1)[5], rtol=1e-5)


def test_another_query_of_the_same_head_needs_no_more_reading(panel, view):
    view.wait(view.ask("steps", **ALL, layer=1, head=1, query=5))
    ((message, buffers),) = view.wait(view.ask("steps", **ALL, layer=1, head=1, query=6))
    query = floats(buffers[0], message["result"]["shapes"]["query"])
    np.testing.assert_array_equal(query, panel.attention.query(1, 1)[6])
    ((reads, _), (other, buffers)) = view.wait(view.ask("steps", **ALL, layer=0, head=1, query=6))
    assert reads["kind"] == "part"
    query = floats(buffers[0], other["result"]["shapes"]["query"])
    np.testing.assert_array_equal(query, panel.attention.query(0, 1)[6])


# --- questions about all heads, and about what comes next -----------------------------------------------------------


@pytest.mark.parametrize("kind", ["previous-token", "sink", "entropy"])
def test_scores_are_those_of_the_attention(panel, view, kind):
    result, _ = answer(view, "scores", **ALL, kind=kind, queries=[], keys=[])
    np.testing.assert_allclose(result["values"], panel.attention.scores(kind))


def test_from_to_takes_positions_or_the_text_that_they_spell(panel, view):
    expected = panel.attention.scores("from-to", query="fox", key="Pip")
    at = view.result("positions", **ALL, text="fox", of="query")["positions"]
    assert at == [3, 9]
    for queries, keys in ((at, [0]), ("fox", "Pip")):
        result, _ = answer(view, "scores", **ALL, kind="from-to", queries=queries, keys=keys)
        np.testing.assert_allclose(result["values"], expected)


def test_a_text_that_nothing_spells_is_told_with_what_is_near(view):
    assert "near are 'fox'" in view.error("positions", **ALL, text="foxy", of="key")["message"]


def test_lens_and_ablation_are_those_of_the_attention(panel, view):
    lens, ablated = panel.attention.lens(4, 3), panel.attention.ablate([(0, 1)], 4, 3)
    result = view.result("lens", position=4, k=3)
    assert [[token["id"] for token in layer] for layer in result["layers"]] == [
        [token.id for token in layer] for layer in lens.layers
    ]
    result = view.result("ablate", heads=[[0, 1]], position=4, k=3)
    assert result["kl"] == ablated.kl
    assert [token["text"] for token in result["after"]] == [token.text for token in ablated.after]


def test_two_models_are_compared(engine, built):
    panel = AttentionPanel(TEXT, other_model="other")
    view = View(panel)
    assert view.result("open")["other"]["model"] == "other"
    result, _ = answer(view, "diff", part="decoder")
    np.testing.assert_allclose(result["values"], panel.attention.diff(panel.other))
    other, (buffer,) = answer(view, "exact", **ALL | {"which": 1}, layer=0, head=0, **EVERYWHERE)
    np.testing.assert_array_equal(floats(buffer, other["shape"]), panel.other.map(0, 0))


def test_texts_of_different_lengths_are_shown_and_their_difference_is_refused(engine, built):
    view = View(AttentionPanel(TEXT, other="Pip saw a fox"))
    assert len(view.result("open")["other"]["tokens"]) == 4
    assert "diff compares texts of equally many tokens" in view.error("diff", part="decoder")["message"]


def test_without_anything_to_compare_with_the_view_is_told_how_to(view):
    assert "make it with other=" in view.error("diff", part="decoder")["message"]


def test_heads_that_are_kept_and_how_lines_are_drawn_are_part_of_the_state(engine, built):
    panel = AttentionPanel(TEXT, view="lines", kept=[(1, 3), [0, 0]], layer_mean=True)
    panel.state = {"shading": True, "layer_mean": False}
    shown = {key: panel.state[key] for key in ("kept", "layer_mean", "shading")}
    assert shown == {"kept": [(1, 3), [0, 0]], "layer_mean": False, "shading": True}


# --- when something has gone ----------------------------------------------------------------------------------------


def test_what_was_forgotten_is_made_again_and_said(engine, panel, view):
    known, _ = answer(view, "exact", **ALL, layer=0, head=1, **EVERYWHERE)
    engine.forget_attentions()
    again, _ = answer(view, "exact", **ALL, layer=0, head=1, **EVERYWHERE)
    after, _ = answer(view, "exact", **ALL, layer=0, head=1, **EVERYWHERE)
    assert again == {**known, "again": True}
    assert after == known


def test_scores_and_differences_survive_it_too(engine, built):
    view = View(AttentionPanel(TEXT, other_model="other"))
    for method, params in (("scores", {**ALL, "kind": "sink"}), ("diff", {"part": "decoder"})):
        engine.forget_attentions()
        assert answer(view, method, **params)[0]["again"]


def test_many_views_that_meet_a_forgotten_attention_have_it_made_once(engine, panel):
    view = View(panel)
    engine.forget_attentions()
    before = engine.attentions_made[panel.attention.id]
    asked = [view.ask("exact", **ALL, layer=0, head=head, **EVERYWHERE) for head in range(4)]
    for each in asked:
        assert view.wait(each)[-1][0]["kind"] == "answer"
    assert engine.attentions_made[panel.attention.id] == before + 1


def test_no_question_starts_a_model_kernel_and_start_does(built, monkeypatch, tmp_path):
    engine = FakeEngine("and that was that.")
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        view = View(AttentionPanel(TEXT))
        monkeypatch.delenv("GPT_NOTEBOOK_URL")
        monkeypatch.delenv("GPT_NOTEBOOK_TOKEN")
        started = []
        monkeypatch.setattr("gpt_notebook.launcher.ensuring", lambda settings: started.append(settings) or iter(()))
        error = view.error("exact", **ALL, layer=0, head=0, **EVERYWHERE)
        assert error["code"] == "model_kernel_not_running"
        assert started == []
        assert not RuntimeDirectory.of(session.settings).read_address()
        view.wait(view.ask("start"))
        assert len(started) == 1


def test_an_unloaded_model_is_loaded_again_and_its_attention_made_again(built, monkeypatch, tmp_path):
    with serving(Engine(Settings(home=tmp_path))) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        view = View(AttentionPanel(TEXT))
        whole = {"queries": [0, 4], "keys": [0, 4], "layer": 0, "head": 1}
        known, (before,) = answer(view, "exact", **ALL, **whole)
        gpt.unload("storyteller")
        again, (after,) = answer(view, "exact", **ALL, **whole)
        assert again == {**known, "again": True}
        assert bytes(after) == bytes(before)


# --- the real engine ------------------------------------------------------------------------------------------------


def test_a_generation_can_be_explored_with_the_storyteller(built, monkeypatch, tmp_path):
    engine = Engine(Settings(home=tmp_path))
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        completion = gpt.generate("Once upon a time there was", max_new_tokens=12, seed=1, attention=True)
        panel = AttentionPanel(completion)
        view = View(panel)
        opened = view.result("open")
        made_by = opened["generated"] - 1
        layer, head = panel.chosen
        result, (buffer,) = answer(view, "rows", **ALL, heads=[[layer, head]], query=made_by)
        row = floats(buffer, result["shape"])[0]
        np.testing.assert_allclose(row, panel.attention.map(layer, head, queries=made_by)[0], atol=1e-6)
        assert row.sum() == pytest.approx(1, abs=1e-5)
        assert (row[made_by + 1 :] == 0).all()
        assert len(parts(view, "overview", **ALL, layers=None, size=64, hide_sink=True)) == panel.attention.n_layers


def test_a_layer_without_attention_is_refused_and_one_that_is_left_over_is_replaced(built, monkeypatch, tmp_path):
    model = str(tiny_models.save(tmp_path / "lfm2", "lfm2"))
    with serving(Engine(Settings(home=tmp_path))) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        panel = AttentionPanel(TEXT, model=model)
        heads = panel.attention.parts[0].heads
        without, there = heads.index(0), next(layer for layer, count in enumerate(heads) if count)
        panel.state = {"layer": without, "head": 0}
        assert panel.chosen == (there, 0)
        with pytest.raises(InvalidRequest, match=f"layer {without}"):
            AttentionPanel(TEXT, model=model, layer=without)


@pytest.mark.parametrize("family", ["t5", "bert", "lfm2", "gpt_neo"])
def test_every_kind_of_model_can_be_explored(family, built, monkeypatch, tmp_path):
    model = str(tiny_models.save(tmp_path / family, family))
    with serving(Engine(Settings(home=tmp_path))) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        options = {"target": "The owl knew."} if family == "t5" else {}
        panel = AttentionPanel("Once upon a time there was a fox.", model=model, **options)
        view = View(panel)
        for part in panel.attention.parts:
            layer = next(layer for layer, heads in enumerate(part.heads) if heads)
            panel.state = {"part": part.name, "layer": layer, "head": 1}
            panel.save(tmp_path / f"{part.name}.html")
            of = {"which": 0, "part": part.name}
            whole = {"queries": [0, part.n_queries], "keys": [0, part.n_keys], "hide_sink": True}
            expected = panel.attention.map(layer, 1, part=part.name, hide_sink=True)
            result, (buffer,) = answer(view, "exact", **of, **whole, layer=layer, head=1)
            np.testing.assert_allclose(floats(buffer, result["shape"]), expected, atol=1e-6)
            result, (buffer,) = answer(view, "columns", **of, heads=[[layer, 1]], key=2, hide_sink=True)
            np.testing.assert_allclose(floats(buffer, result["shape"])[0], expected[:, 2], atol=1e-6)
            found = parts(view, "overview", **of, layers=None, size=8, hide_sink=True)
            assert [message["result"]["shape"][0] for message, _ in found] == list(part.heads)
            steps, buffers = answer(view, "steps", **of, layer=layer, head=1, query=part.n_queries - 1)
            output = panel.attention.output(layer, 1, part=part.name)[-1]
            np.testing.assert_allclose(floats(buffers[-1], steps["shapes"]["output"]), output, atol=1e-5)
            assert "<img" in panel.twin()


@pytest.mark.parametrize(
    "state",
    [
        {"ablated": [5]},
        {"ablated": [(99, 0)]},
        {"query": "fox"},
        {"query": 999},
        {"key": -999},
        {"pinned": (1, 2)},
        {"pinned": {"layer": 0, "head": 99}},
        {"kept": [(0, 99)]},
        {"kept": [(0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]},
        {"kept": "L0 H1"},
        {"layer_mean": 1},
        {"shading": None},
    ],
)
def test_what_cannot_be_shown_is_refused_before_it_is(state, engine, built):
    with pytest.raises(InvalidRequest):
        AttentionPanel(TEXT, **state)


def test_a_position_may_count_from_the_end(engine, built):
    panel = AttentionPanel(TEXT, query=-1, ablated=[(0, 1)], pinned={"layer": 1, "head": 0})
    assert panel.state["query"] == len(panel.attention.tokens) - 1


def test_a_text_is_compared_in_the_model_of_the_first(engine, built):
    panel = AttentionPanel(gpt.attention(TEXT, model="other"), other=TEXT)
    assert panel.other.model == "other"
