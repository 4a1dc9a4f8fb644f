"""Figures: the numbers that were asked for, under the tokens that they are of."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from attention_stubs import part_of, stub, tokens_of

import gpt_notebook as gpt
from gpt_notebook.attention_maps import figures
from gpt_notebook.errors import InvalidRequest

pytest.importorskip("plotly")


def test_a_map_stands_under_its_tokens(attention):
    figure = attention.plot(0, 1)
    (shown,) = figure.data
    np.testing.assert_array_equal(shown.z, attention.map(0, 1))
    assert (shown.x[1], shown.y[0]) == ("·saw (1)", "Pip (0)")
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("key", "query")
    assert figure.layout.yaxis.autorange == "reversed"
    assert "layer 0, head 1" in figure.layout.title.text


def test_equal_tokens_keep_rows_of_their_own(engine):
    (shown,) = gpt.attention("the the the").plot(0, 0).data
    assert len(set(shown.x)) == len(set(shown.y)) == 3


def test_a_rectangle_keeps_the_numbers_of_its_positions(attention):
    (shown,) = attention.plot(0, 1, queries=(2, 4), keys=slice(1, 3)).data
    assert (tuple(shown.y), tuple(shown.x)) == (("·a (2)", "·fox (3)"), ("·saw (1)", "·a (2)"))
    np.testing.assert_array_equal(shown.z, attention.map(0, 1, queries=(2, 4), keys=(1, 3)))


def test_spaces_line_ends_and_markup_of_tokens_are_seen():
    attention = stub(tokens_of(" a", "\n", "<b>&", "x" * 50), arrays=lambda _: np.eye(4, dtype=np.float32))
    (shown,) = attention.plot(0, 0).data
    assert tuple(shown.x) == ("·a (0)", "⏎ (1)", "&lt;b&gt;&amp; (2)", f"{'x' * 19}… (3)")


def test_hiding_the_sink_rescales_the_rows_and_says_so(attention):
    figure = attention.plot(1, 0, hide_sink=True)
    weights = attention.map(1, 0)[:, 1:]
    shown = np.array(figure.data[0].z)
    assert np.isnan(shown[:, 0]).all()
    np.testing.assert_allclose(shown[2:, 1:], weights[2:] / weights[2:].sum(1, keepdims=True), rtol=1e-6)
    assert np.isnan(shown[0]).all()  # the first token sees nothing else
    assert "without the first token, rows rescaled" in figure.layout.title.text


def test_a_rectangle_without_the_sink_is_a_rectangle_of_the_whole(attention):
    whole = np.array(attention.plot(1, 0, hide_sink=True).data[0].z)
    some = np.array(attention.plot(1, 0, hide_sink=True, queries=(2, 5), keys=(1, 3)).data[0].z)
    np.testing.assert_array_equal(some, whole[2:5, 1:3])


def test_too_many_tokens_for_a_figure_are_refused_with_a_way_out():
    attention = stub(tokens_of(*["a"] * 1025), arrays=lambda _: np.zeros((512, 1024), np.float32))
    with pytest.raises(InvalidRequest, match=r"1025 queries are too many for a figure, which shows 1024: choose some"):
        attention.plot(0, 0)
    assert attention._kept.asked == []
    assert attention.plot(0, 0, queries=(0, 512), keys=(0, 1024)).data[0].z.shape == (512, 1024)


@pytest.mark.parametrize(
    ("weights", "largest"),
    [([[0.25, 0.75]], 0.75), ([[0.0, 0.0]], 1.0), ([[np.nan, np.nan]], 1.0)],
)
def test_colours_begin_at_zero_also_where_no_weight_is(weights, largest):
    attention = stub(tokens_of("a", "b"), arrays=lambda _: np.array(weights, np.float32))
    (shown,) = attention.plot(0, 0, queries=1).data
    assert (shown.zmin, shown.zmax) == (0, largest)
    assert shown.colorbar.tickvals == (0, largest)


def test_a_map_is_never_wider_than_its_cell(attention):
    layout = attention.plot(0, 1).layout
    assert layout.width is None
    assert (layout.autosize, layout.yaxis.scaleanchor, layout.yaxis.scaleratio) == (True, "x", 1)
    assert (layout.xaxis.constrain, layout.yaxis.constrain) == ("domain", "domain")


def test_a_long_name_of_a_model_leaves_room_for_the_head():
    attention = stub(tokens_of("a"), arrays=lambda _: np.eye(1, dtype=np.float32), model=f"/home/{'x' * 90}/mine")
    title = attention.plot(0, 0).layout.title.text
    assert title.startswith("…x")
    assert title.endswith("x/mine, layer 0, head 0")


# --- all heads -------------------------------------------------------------------------------------------------------


def test_without_layer_and_head_all_heads_are_shown_each_where_numbers_round_to_its_own(attention):
    (shown,) = attention.plot().data
    rows, columns = shown.z.shape
    assert (rows, columns) == (2 * 8, 3 * 8)
    layers = np.round(shown.y0 + np.arange(rows) * shown.dy)
    heads = np.round(shown.x0 + np.arange(columns) * shown.dx)
    for layer, head in np.ndindex(2, 3):
        tile = shown.z[np.ix_(layers == layer, heads == head)]
        np.testing.assert_array_equal(tile[:-1, :-1], attention.map(layer, head))
        assert np.isnan(tile[-1]).all()
        assert np.isnan(tile[:, -1]).all()
    assert "layer %{y:.0f}, head %{x:.0f}" in shown.hovertemplate


def test_in_a_long_text_each_block_shows_its_largest_weight():
    pictures = np.random.default_rng(0).random((2, 3, 119, 119), dtype=np.float32)
    attention = stub(tokens_of(*["a"] * 500), arrays=lambda _: pictures)
    figure = attention.plot()
    (asked,) = attention._kept.asked
    assert (asked.size, asked.reduction, asked.layers) == (119, "max", None)
    assert figure.layout.title.text == "a-model, all heads (the largest weight of each block)"


@pytest.mark.parametrize(("layers", "heads"), [(12, 12), (32, 32), (80, 64), (2, 3)])
def test_all_heads_of_a_large_model_stay_small_with_their_picture(layers, heads, monkeypatch):
    monkeypatch.setattr("plotly.io.renderers.default", "plotly_mimetype")
    random = np.random.default_rng(0)
    attention = stub(
        tokens_of(*["a"] * 512),
        (part_of(512, heads=[heads] * layers),),
        arrays=lambda asked: random.random((layers, heads, asked.size, asked.size), dtype=np.float32),
    )
    bundle = attention.plot()._repr_mimebundle_()
    assert set(bundle) >= {"image/svg+xml", "application/vnd.plotly.v1+json"}
    assert len(json.dumps(bundle)) < 3_000_000


def test_heads_that_are_not_there_are_nothing_to_see():
    pictures = np.ones((2, 3, 1, 1), np.float32)
    pictures[1] = np.nan
    attention = stub(tokens_of("a"), (part_of(1, heads=(3, 0)),), arrays=lambda _: pictures)
    (shown,) = attention.plot().data
    assert np.isfinite(shown.z).any(axis=1).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda a: a.plot(1), "name a layer and a head for one map, or neither for all heads"),
        (lambda a: a.plot(head=1), "name a layer and a head for one map, or neither for all heads"),
        (lambda a: a.plot(hide_sink=True), "hide_sink=, queries= and keys= are for one map: name a layer and a head"),
        (lambda a: a.plot(queries=1), "hide_sink=, queries= and keys= are for one map: name a layer and a head"),
    ],
)
def test_half_a_head_is_refused(ask, message):
    with pytest.raises(InvalidRequest) as refusal:
        ask(stub(tokens_of("a")))
    assert refusal.value.message == message


def test_the_part_of_an_encoder_decoder_is_named():
    parts = (part_of(3, name="encoder"), part_of(2, 3, name="cross"))
    attention = stub(
        tokens_of("a", "b", "c"), parts, targets=tokens_of("x", "y"), arrays=lambda _: np.zeros((2, 3), np.float32)
    )
    figure = attention.plot(0, 0, part="cross")
    assert (tuple(figure.data[0].y), tuple(figure.data[0].x)) == (("x (0)", "y (1)"), ("a (0)", "b (1)", "c (2)"))
    assert figure.layout.title.text.endswith(", cross")


def test_patching_is_white_where_nothing_comes_back(engine):
    figure = gpt.patch("a b", "c b", answer=" x", wrong=" y").plot()
    (shown,) = figure.data
    assert shown.z.shape == (2, 3)
    assert (shown.zmid, -shown.zmin) == (0, shown.zmax)
    assert [color for _, color in shown.colorscale] == [color for _, color in figures.DIVERGING]
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("head", "layer")
    assert "·x over ·y" in figure.layout.title.text


def test_without_plotly_the_next_step_is_said(attention, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(InvalidRequest, match=r"run  pip install 'gpt-notebook\[viz\]'"):
        attention.plot(0, 0)
