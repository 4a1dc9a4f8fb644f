"""Figures: the numbers that were asked for, under the tokens that they are of."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from attention_stubs import part_of, stub, tokens_of

import gpt_notebook as gpt
from gpt_notebook.attention_maps import plots
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
    assert attention._recording.asked == []
    assert attention.plot(0, 0, queries=(0, 512), keys=(0, 1024)).data[0].z.shape == (512, 1024)


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
    assert [color for _, color in shown.colorscale] == [color for _, color in plots.DIVERGING]
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("head", "layer")
    assert "·x over ·y" in figure.layout.title.text


def test_without_plotly_the_next_step_is_said(attention, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(InvalidRequest, match=r"run  pip install 'gpt-notebook\[viz\]'"):
        attention.plot(0, 0)
