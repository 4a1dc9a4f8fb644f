"""What a table may be, read by columns: DataFrames, lists of dicts or texts, dicts of columns, datasets.

Reads only the columns that are asked for, and imports none of the libraries: whoever has a table of theirs has imported
them.
"""

from __future__ import annotations

import datetime as dt
import numbers
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpt_notebook.errors import InvalidRequest

TEXT = "text"
"""What the column of a table is called that is only a list of texts."""

_ABSENT = object()
"""In the place of a cell that a row doesn't have."""

_NO_VALUE = ("NAType", "NaTType")
"""The types of what pandas puts where there is nothing; NaN is a number that isn't itself."""

_PRINTED = (numbers.Number, dt.date, dt.time, dt.timedelta)
"""What has one obvious text, beside texts themselves; `bool` is a number and `datetime` a date."""


class MappedColumn(list[Any]):
    """What came of each row, None where it failed."""

    def __init__(self, values: Iterable[Any], errors: Mapping[int, str]) -> None:
        """Keep the values, and why rows have none, by their positions."""
        super().__init__(values)
        self.errors = dict(errors)
        """Why rows failed, by position from 0."""


@dataclass(frozen=True)
class Table:
    """A table, whatever it came as."""

    names: tuple[str, ...]
    length: int
    column: Callable[[str], Sequence[Any]]
    """Returns the cells of one of the named columns, from top to bottom."""
    result: Callable[[list[Any], dict[int, str]], Any] = MappedColumn
    """Makes the new column from a value for each row and the errors of rows by position."""

    @classmethod
    def of(cls, table: Any) -> Table:
        """Read a table.

        Raises:
            InvalidRequest: it is none; says what would be.
        """
        pandas, datasets = sys.modules.get("pandas"), sys.modules.get("datasets")
        if pandas is not None and isinstance(table, pandas.DataFrame | pandas.Series):
            return _of_pandas(pandas, table)
        if datasets is not None and isinstance(table, datasets.Dataset):
            return cls(tuple(table.column_names), len(table), lambda name: list(table[name]))
        for rows_of in ("to_dicts", "to_pylist"):  # polars, Arrow
            if hasattr(table, rows_of):
                return _of_rows(getattr(table, rows_of)())
        if isinstance(table, Mapping):
            return _of_columns(table)
        if isinstance(table, Iterable) and not isinstance(table, str | bytes):
            return _of_rows(list(table))
        message = (
            f"a table is a DataFrame, a list of dicts or of texts, or a dict of columns, not {type(table).__name__}"
            f"{': for one prompt use generate' if isinstance(table, str) else ''}"
        )
        raise InvalidRequest(message, param="table")

    def text(self, name: str, cell: object) -> str:
        """Return the text of a cell: numbers and dates as Python prints them, whatever is text as it is.

        Raises:
            InvalidRequest: there is nothing in it, or what has no text of its own.
        """
        if cell is _ABSENT:
            message = f"the row has no {name!r}"
        elif isinstance(cell, str):
            if cell.strip():
                return str(cell)
            message = f"the cell of {name!r} is empty"
        elif _nothing(cell):
            message = f"the cell of {name!r} is empty ({cell})"
        elif _plain(cell):
            return str(cell)
        else:
            message = (
                f"the cell of {name!r} is no text but {_article(type(cell).__name__)}: make a column of texts of it"
            )
        raise InvalidRequest(message, param=name)


def _nothing(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in _NO_VALUE:
        return True
    return _plain(cell) and bool(cell != cell)  # noqa: PLR0124 - what NaN is known by


def _plain(cell: object) -> bool:
    """Whether a cell has one obvious text; NumPy's scalars are neither numbers nor dates of Python's."""
    return isinstance(cell, _PRINTED) or (type(cell).__module__ == "numpy" and getattr(cell, "ndim", 1) == 0)


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _of_pandas(pandas: Any, table: Any) -> Table:
    """Read a DataFrame, or a Series, which is a column of texts under its own name too."""

    def result(values: list[Any], errors: dict[int, str]) -> Any:
        # As objects, so that None stays None and a list of samples a cell.
        series = pandas.Series(values, index=table.index, dtype=object)
        series.attrs["errors"] = errors
        return series

    if isinstance(table, pandas.Series):
        series_names = dict.fromkeys([TEXT, table.name] if isinstance(table.name, str) else [TEXT])
        return Table(tuple(series_names), len(table), lambda _: list(table.tolist()), result)

    def column(name: str) -> list[Any]:
        found = table[name]
        if isinstance(found, pandas.DataFrame):
            message = f"the table has several columns {name}: rename all but one"
            raise InvalidRequest(message, param="table")
        return list(found.tolist())

    names = tuple(dict.fromkeys(name for name in table.columns if isinstance(name, str)))
    return Table(names, len(table), column, result)


def _of_columns(table: Mapping[Any, Any]) -> Table:
    """Read a dict of columns.

    Raises:
        InvalidRequest: a column is none, or they are of different lengths.
    """
    columns: dict[str, list[Any]] = {}
    for name, cells in table.items():
        if isinstance(cells, str | bytes | Mapping) or not isinstance(cells, Iterable):
            message = f"{name!r} of the table is {_article(type(cells).__name__)} and no column: write {{{name!r}: [… , …]}}, or a list of rows"
            raise InvalidRequest(message, param="table")
        columns[str(name)] = list(cells)
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        shortest, longest = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        message = f"the columns differ in length: {shortest!r} has {lengths[shortest]:,} cells, {longest!r} has {lengths[longest]:,}"
        raise InvalidRequest(message, param="table")
    return Table(tuple(columns), max(lengths.values(), default=0), columns.__getitem__)


def _of_rows(rows: list[Any]) -> Table:
    """Read a list of dicts, whose columns are all that any of them has, or of texts."""
    names = dict.fromkeys(str(name) for row in rows if isinstance(row, Mapping) for name in row)
    if not names:
        return Table((TEXT,) if rows else (), len(rows), lambda _: rows)

    def column(name: str) -> list[Any]:
        return [row.get(name, _ABSENT) if isinstance(row, Mapping) else _ABSENT for row in rows]

    return Table(tuple(names), len(rows), column)
