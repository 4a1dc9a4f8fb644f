from __future__ import annotations

import dataclasses
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from gpt_notebook.cells import ABSENT
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.table import Table


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
    assert read.index is None


def test_a_list_of_texts_has_one_column():
    table = Table.of(["x", "y"])
    assert (table.names, table.length, list(table.column("text"))) == (("text",), 2, ["x", "y"])


def test_an_empty_list_is_a_table_of_which_nothing_is_known():
    assert (Table.of([]).names, Table.of([]).length) == ((), 0)


def test_rows_may_have_columns_that_others_have_not():
    table = Table.of([{"a": "x"}, {"b": "y"}, "z"])
    assert table.names == ("a", "b")
    assert table.column("a") == ["x", ABSENT, ABSENT]


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


# --- pandas ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


def test_of_a_data_frame_the_named_columns_are_read_and_the_index(pandas):
    frame = pandas.DataFrame({"a": ["x", "y"], "n": [1, 2], 5: ["no", "name"]}, index=["first", "second"])
    table = Table.of(frame)
    assert (table.names, table.length) == (("a", "n"), 2)
    assert (table.column("a"), table.column("n")) == (["x", "y"], [1, 2])
    assert table.index is frame.index


def test_a_series_is_a_column_of_texts(pandas):
    table = Table.of(pandas.Series(["x", "y"], index=[7, 8], name="review"))
    assert table.names == ("text", "review")
    assert table.column("text") == table.column("review") == ["x", "y"]
    assert list(table.index) == [7, 8]


def test_two_columns_of_one_name_are_refused(pandas):
    table = Table.of(pandas.DataFrame([["x", "y"]], columns=["a", "a"]))
    with pytest.raises(InvalidRequest, match="the table has several columns a: rename all but one"):
        table.column("a")
