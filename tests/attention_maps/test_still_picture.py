"""A figure is still a picture where nobody can draw it, with the same numbers and without a request."""

from __future__ import annotations

import base64
import re
import struct
import xml.etree.ElementTree as ET  # the picture is our own
import zlib

import numpy as np
import pytest
from attention_stubs import stub, tokens_of

import gpt_notebook as gpt
from gpt_notebook.attention_maps import figures

io = pytest.importorskip("plotly.io")


@pytest.fixture(autouse=True)
def in_a_notebook(monkeypatch):
    monkeypatch.setattr(io.renderers, "default", "plotly_mimetype")


def picture(figure):
    return figure._repr_mimebundle_()["image/svg+xml"]


def pixels(svg):
    """Return the cells of a picture, (row, column, channel)."""
    png = base64.b64decode(re.search(r'base64,([^"]+)"', svg)[1])
    width, height = struct.unpack(">II", png[16:24])
    data = zlib.decompress(png[png.index(b"IDAT") + 4 : png.index(b"IEND") - 8])
    lines = np.frombuffer(data, np.uint8).reshape(height, 1 + 4 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 4)


def figure_of(weights, *names, **options):
    return stub(tokens_of(*names), arrays=lambda _: np.array(weights, np.float32)).plot(0, 0, **options)


def test_cells_have_the_opacity_of_their_weights():
    cells = pixels(picture(figure_of([[1, 0], [0.5, 0.5]], "a", "b")))
    assert cells[0, :, 3].tolist() == [255, 0]
    assert 0 < cells[1, 0, 3] == cells[1, 1, 3] < 255


def test_a_picture_is_xml_whatever_a_text_and_a_title_say():
    strange = "\x00\x1b\x7f\x85\ufffe\uffff\ud800</text>&"
    weights = np.array([[1, 0], [0.5, 0.5]], np.float32)
    figure = figures.map_figure(weights, [strange, "b"], [strange, "b\U0001ffff"], title=strange)
    svg = picture(figure)
    svg.encode("utf-8")
    assert "</text>&" in "".join(ET.fromstring(svg).itertext())  # noqa: S314


def test_a_row_without_a_zero_has_the_colours_of_the_figure():
    figure = figure_of([[0.25, 0.5]], "a", "b", queries=1)
    cells = pixels(picture(figure))
    assert cells[0, 1, 3] == 255
    assert 100 < cells[0, 0, 3] < 255
    cells = pixels(picture(figure.update_traces(zmin=None)))  # Plotly then takes neither end
    assert cells[0, :, 3].tolist() == [0, 255]


def test_all_heads_lie_beside_the_numbers_of_their_layers():
    pictures = np.ones((2, 3, 1, 1), np.float32)
    figure = stub(tokens_of("a"), arrays=lambda _: pictures).plot()
    svg = picture(figure)
    assert pixels(svg)[:, :, 3].tolist() == [[255, 0] * 3, [0] * 6] * 2
    tile = figures.TILE
    places = re.findall(r'<text x="([\d.]+)" y="[\d.]+" font-size="11" text-anchor="middle">([012])<', svg)
    left = figure.layout.margin.l
    assert places[-3:] == [(f"{left + (head + 0.5) * tile:g}", str(head)) for head in range(3)]


def test_a_figure_made_narrower_has_a_smaller_picture():
    figure = figure_of(np.eye(20), *["a"] * 20).update_layout(width=300)
    assert max(float(each) for each in re.findall(r'width="([\d.]+)"', picture(figure))) <= 300


def test_what_is_hidden_is_nothing_to_see():
    cells = pixels(picture(figure_of([[1, 0], [0.9, 0.1]], "a", "b", hide_sink=True)))
    assert cells[:, :, 3].tolist() == [[0, 0], [0, 255]]


def test_tokens_and_title_stand_beside_it_and_end_no_element():
    root = ET.fromstring(picture(figure_of(np.eye(3), "<script>", " a&b", "\n")))  # noqa: S314
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("<script> (0)") == texts.count("·a&b (1)") == texts.count("⏎ (2)") == 2
    assert "a-model, layer 0, head 0" in texts


def test_a_thousand_tokens_make_a_small_picture_whose_names_have_room():
    svg = picture(figure_of(np.tri(1000) / 1000, *["a"] * 1000))
    assert len(svg) < 200_000
    assert 20 < svg.count("<text") < 140


def test_patching_is_orange_where_the_answer_comes_back_and_clear_where_nothing_does(engine):
    patching = gpt.patch("a b", "c b", answer=" x", wrong=" y")
    patching.matrix[:] = 0
    patching.matrix[1, 2] = 0.5
    cells = pixels(picture(patching.plot()))
    assert cells[1, 2].tolist() == [235, 125, 10, 255]
    assert cells[0, 0, 3] == 0


def test_it_asks_nobody_for_anything():
    bundle = figure_of(np.eye(2), "a", "b")._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.plotly.v1+json", "image/svg+xml", "text/plain"}
    assert set(re.findall(r"https?://[^\"]+", bundle["image/svg+xml"])) == {"http://www.w3.org/2000/svg"}
    assert bundle["text/plain"] == "<Figure: a-model, layer 0, head 0>"
    assert figure_of(np.eye(2), "a", "b")._repr_html_() is None


def test_other_colours_are_in_the_picture_too():
    figure = figure_of(np.eye(2), "a", "b").update_traces(colorscale=[(0, "#010203"), (1, "rgb(4,5,6)")])
    assert pixels(picture(figure)).tolist() == [
        [[4, 5, 6, 255], [1, 2, 3, 255]],
        [[1, 2, 3, 255], [4, 5, 6, 255]],
    ]


def test_a_figure_that_became_something_else_is_shown_without_one():
    bundle = figure_of(np.eye(2), "a", "b").add_scatter(y=[1, 2])._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.plotly.v1+json", "text/plain"}


def test_who_chose_another_renderer_gets_that(monkeypatch):
    monkeypatch.setattr(io.renderers, "default", "notebook_connected")
    bundle = figure_of(np.eye(2), "a", "b")._repr_mimebundle_()
    assert set(bundle) == {"text/html"}
