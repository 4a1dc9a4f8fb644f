from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.table import MappedColumn, Table


@dataclasses.dataclass
class Frame:
    """As polars' and Arrow's tables are read."""

    rows: list

    def to_dicts(self):
        return self.rows


class ArrowTable(Frame):
    to_dicts = None

    def __getattribute__(self, name):
        if name == "to_dicts":
            raise AttributeError(name)
        return super().__getattribute__(name)

    def to_pylist(self):
        return self.rows


class Dataset:
    """As datasets.Dataset is read."""

    column_names = ("a", "b")

    def __len__(self):
        return 2

    def __getitem__(self, name):
        return {"a": iter(["x", "y"]), "b": iter([1, 2])}[name]


ROWS = [{"a": "x", "b": 1}, {"a": "y", "b": 2}]


@pytest.mark.parametrize(
    "table", [ROWS, iter(ROWS), {"a": ("x", "y"), "b": np.array([1, 2])}, Frame(ROWS), ArrowTable(ROWS), Dataset()]
)
def test_a_table_is_read_by_columns_whatever_it_comes_as(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(Dataset=Dataset))
    read = Table.of(table)
    assert (read.names, read.length) == (("a", "b"), 2)
    assert (list(read.column("a")), list(read.column("b"))) == (["x", "y"], [1, 2])
    assert read.result(["p", None], {1: "why"}) == ["p", None]


def test_a_list_of_texts_has_one_column():
    table = Table.of(["x", "y"])
    assert (table.names, table.length, list(table.column("text"))) == (("text",), 2, ["x", "y"])


def test_an_empty_list_is_a_table_of_which_nothing_is_known():
    assert (Table.of([]).names, Table.of([]).length) == ((), 0)


def test_rows_may_have_columns_that_others_have_not():
    table = Table.of([{"a": "x"}, {"b": "y"}, "z"])
    assert table.names == ("a", "b")
    first, *others = table.column("a")
    assert table.text("a", first) == "x"
    for cell in others:
        with pytest.raises(InvalidRequest, match="the row has no 'a'"):
            table.text("a", cell)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("one", "a table is a DataFrame, a list of dicts or of texts, or a dict of columns, not str: for one prompt use generate"),
        (5, "a table is a DataFrame, a list of dicts or of texts, or a dict of columns, not int"),
        ({"a": "x"}, "'a' of the table is a str and no column: write {'a': [… , …]}, or a list of rows"),
        ({"a": 5}, "'a' of the table is an int and no column: write {'a': [… , …]}, or a list of rows"),
        ({"a": ["x"], "b": ["y"] * 3}, "the columns differ in length: 'a' has 1 cells, 'b' has 3"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_one_line(table, message):
    with pytest.raises(InvalidRequest) as refusal:
        Table.of(table)
    assert refusal.value.message == message


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
    assert Table.of(["x"]).text("text", cell) == text


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
        Table.of(["x"]).text("text", cell)
    assert refusal.value.message == message


def test_a_mapped_column_is_a_list_that_knows_why_rows_failed():
    column = MappedColumn(["a", None], {1: "why"})
    assert (column, column.errors) == (["a", None], {1: "why"})


# --- pandas ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


def test_of_a_data_frame_comes_a_series_with_its_index(pandas):
    frame = pandas.DataFrame({"a": ["x", None], "n": [1, 2], 5: ["no", "name"]}, index=["first", "second"])
    table = Table.of(frame)
    assert (table.names, table.length) == (("a", "n"), 2)
    assert [table.text("n", cell) for cell in table.column("n")] == ["1", "2"]
    with pytest.raises(InvalidRequest, match="is empty"):
        table.text("a", table.column("a")[1])
    series = table.result(["p", None], {1: "why"})
    frame["new"] = series
    assert frame.loc["first", "new"] == "p"
    assert frame.loc["second", "new"] is None
    assert series.attrs["errors"] == {1: "why"}


def test_what_pandas_has_for_nothing_is_an_empty_cell(pandas):
    table = Table.of(pandas.DataFrame({"a": [pandas.NA, pandas.NaT, float("nan")]}, dtype=object))
    for cell in table.column("a"):
        with pytest.raises(InvalidRequest, match="is empty"):
            table.text("a", cell)


def test_a_series_is_a_column_of_texts(pandas):
    table = Table.of(pandas.Series(["x", "y"], index=[7, 8], name="review"))
    assert table.names == ("text", "review")
    assert table.column("text") == table.column("review") == ["x", "y"]
    assert list(table.result(["p", "q"], {}).index) == [7, 8]


def test_two_columns_of_one_name_are_refused(pandas):
    table = Table.of(pandas.DataFrame([["x", "y"]], columns=["a", "a"]))
    with pytest.raises(InvalidRequest, match="the table has several columns a: rename all but one"):
        table.column("a")
