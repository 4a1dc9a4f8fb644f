"""Where a name could be filled in; what stays as typed is in `magics/test_interpolation.py`."""

from __future__ import annotations

import pytest

from gpt_notebook.placeholders import Placeholder, pieces


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a {name} b", Placeholder("name", "{name}")),
        ("x_{name}", Placeholder("name", "_{name}", before="_", meant=False)),
        ("{return}", Placeholder("return", "{return}", meant=False)),
    ],
)
def test_a_place_tells_what_it_would_take_to_leave_it_alone(text, place):
    assert [each for each in pieces(text) if isinstance(each, Placeholder)] == [place]


@pytest.mark.parametrize("text", ["", "a {b} c_{name} {{d}} {", r"\frac{a}{b} {name}", '{"a": {b}}'])
def test_the_pieces_joined_are_the_text(text):
    assert "".join(each if isinstance(each, str) else each.as_typed for each in pieces(text)) == text
