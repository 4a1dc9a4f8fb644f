"""The static twin: pictures and text that need no script, whatever the text says."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from attention_maps.attention_stubs import part_of, stub, tokens_of

from gpt_notebook.widgets._twin import HEADS, SHADES, attention_twin, palette

PNG = re.compile(r'src="data:image/png;base64,([^"]+)"')


def attention_of(n_tokens=40, *, tokens=None, n_layers=12, n_heads=12, seed=0):
    """An attention with noisy causal maps, of which nothing compresses well."""
    tokens = tokens or tokens_of(*(f" word{i}" for i in range(n_tokens)))
    chance = np.random.default_rng(seed)

    def arrays(request):
        (first, stop), (_, end) = request.queries, request.keys
        rows, columns = min(request.size, stop - first), min(request.size, end)
        return np.tril(chance.random((1, 1, rows, columns), np.float32))

    return stub(tokens, (part_of(len(tokens), heads=(n_heads,) * n_layers),), arrays=arrays)


def twin_of(attention, chosen=(3, 5), heads=None, **options):
    part = attention.parts[0]
    every = [(layer, head) for layer in range(len(part.heads)) for head in range(part.heads[layer])]
    return attention_twin(attention, part, chosen, heads or every, **{"hide_sink": True, **options})


def images(html):
    """The places in the palette of each picture, (row, column)."""
    found = []
    for text in PNG.findall(html):
        data = base64.b64decode(text)
        width, height = struct.unpack(">II", data[16:24])
        at = data.index(b"IDAT")
        (length,) = struct.unpack(">I", data[at - 4 : at])
        lines = np.frombuffer(zlib.decompress(data[at + 4 : at + 4 + length]), np.uint8).reshape(height, width + 1)
        assert not lines[:, 0].any()
        found.append(lines[:, 1:])
    return found


class Page(HTMLParser):
    """What a browser finds in it."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def test_the_chosen_head_is_large_and_a_dozen_are_small():
    found = images(twin_of(attention_of()))
    assert [each.shape for each in found] == [(8 * 40 + 2,) * 2] + [(2 * 40 + 2,) * 2] * HEADS


def test_pictures_are_enlarged_and_framed_in_their_pixels_since_styles_may_be_taken_away():
    (large, *_) = images(twin_of(attention_of()))
    frame = np.ones(large.shape, bool)
    frame[1:-1, 1:-1] = False
    np.testing.assert_array_equal(large == SHADES, frame)
    cells = large[1:-1, 1:-1].reshape(40, 8, 40, 8)
    assert (cells == cells[:, :1, :, :1]).all()
    styles = [value for name, value in Page(twin_of(attention_of())).attributes if name == "style"]
    assert not [style for style in styles if "flex" in style or "box-shadow" in style]


def test_pictures_have_their_brightest_pixel_where_the_weight_is_largest():
    (large, *_) = images(twin_of(attention_of()))
    cells = large[1:-1:8, 1:-1:8]
    assert cells.max() == SHADES - 1
    assert not np.triu(cells, 1).any()


def test_captions_say_which_head_it_is_and_how_to_read_it():
    page = Page(twin_of(attention_of(), heads=[(1, 2), (0, 7)]))
    assert "layer 3 head 5: rows are queries, columns keys, strongest" in page.text
    assert "layer 1 head 2" in page.text
    assert "a-model · 40 tokens · without the first token, rows rescaled · run its cell" in page.text
    assert "without the first token" not in Page(twin_of(attention_of(), hide_sink=False)).text


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</pre></div><style>*{display:none}",
        "&lt;",
        "]]>",
    ],
)
def test_a_text_stays_text(text):
    page = Page(twin_of(attention_of(tokens=tokens_of(text, " b", " c"))))
    assert text in page.text.replace("\u00b7", " ")
    assert page.tags <= {"div", "figure", "img", "figcaption", "style", "pre", "span", "i", "b"}
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_what_commands_a_terminal_or_turns_a_line_round_is_made_visible():
    html = twin_of(attention_of(tokens=tokens_of("\x1b[31m", "\u202egnp.exe", "\x00", "\ud800")))
    assert not set("\x1b\u202e\x00\ud800") & set(html)
    html.encode("utf-8")


def test_nothing_is_fetched_and_nothing_runs():
    html = twin_of(attention_of())
    assert "<script" not in html
    assert "http" not in html
    assert {value[:5] for name, value in Page(html).attributes if name == "src"} == {"data:"}


def test_noise_over_512_tokens_stays_below_300_kilobytes():
    assert len(twin_of(attention_of(512)).encode()) < 300_000


def test_of_a_long_text_the_beginning_is_shown_and_said():
    attention = attention_of(4096)
    html = twin_of(attention)
    assert "the maps are of the first 1,024" in html
    assert "and 3072 tokens more" in html
    assert {request.queries for request in attention._kept.asked} == {(0, 1024)}
    assert len(html.encode()) < 400_000


def test_one_token_has_a_twin():
    assert images(twin_of(attention_of(1), heads=[(0, 0)]))


def test_colours_grow_out_of_what_lies_behind():
    shades = palette()
    assert shades.shape == (256, 4)
    assert shades[0, 3] == 0
    assert shades[SHADES - 1, 3] == 255
    assert (np.diff(shades[:, 3].astype(int)) >= 0).all()
