"""What a cell of a table is in a prompt."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pytest

from gpt_notebook.cells import cell_text
from gpt_notebook.errors import InvalidRequest


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (" x ", " x "),
        (5, "5"),
        (0.5, "0.5"),
        (True, "True"),
        (decimal.Decimal("1.20"), "1.20"),
        (dt.date(2024, 5, 1), "2024-05-01"),
        (dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC), "2024-05-01 12:00:00+00:00"),
        (np.int64(5), "5"),
        (np.float32(0.1), "0.1"),
        (np.bool_(True), "True"),
        (np.str_("x"), "x"),
        (np.datetime64("2024-05-01"), "2024-05-01"),
    ],
)
def test_texts_numbers_and_dates_are_filled_in(cell, text):
    assert cell_text("text", cell) == text


class NAType:
    """As pandas' own."""

    def __repr__(self):
        return "<NA>"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (None, "the cell of 'text' is empty (None)"),
        (float("nan"), "the cell of 'text' is empty (nan)"),
        (np.float32("nan"), "the cell of 'text' is empty (nan)"),
        (np.datetime64("NaT"), "the cell of 'text' is empty (NaT)"),
        (NAType(), "the cell of 'text' is empty (<NA>)"),
        ("", "the cell of 'text' is empty"),
        (" \n", "the cell of 'text' is empty"),
        (["a"], "the cell of 'text' is no text but a list: make a column of texts of it"),
        ({"a": 1}, "the cell of 'text' is no text but a dict: make a column of texts of it"),
        (b"a", "the cell of 'text' is no text but a bytes: make a column of texts of it"),
        (np.zeros(2), "the cell of 'text' is no text but a ndarray: make a column of texts of it"),
        (object, "the cell of 'text' is no text but a type: make a column of texts of it"),
    ],
)
def test_empty_cells_and_those_without_a_text_are_refused(cell, message):
    with pytest.raises(InvalidRequest) as refusal:
        cell_text("text", cell)
    assert refusal.value.message == message


def test_what_pandas_has_for_nothing_is_an_empty_cell():
    pandas = pytest.importorskip("pandas")
    for cell in (pandas.NA, pandas.NaT, float("nan")):
        with pytest.raises(InvalidRequest, match="is empty"):
            cell_text("a", cell)
