"""What a table may be, read by columns: DataFrames, lists of dicts or texts, dicts of columns, datasets.

Reads only the columns that are asked for, and imports none of the libraries: whoever has a table of theirs has imported
them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpt_notebook.cells import ABSENT, article
from gpt_notebook.errors import InvalidRequest

TEXT = "text"
"""What the column of a table is called that is only a list of texts."""


@dataclass(frozen=True)
class Table:
    """A table, whatever it came as."""

    names: tuple[str, ...]
    length: int
    column: Callable[[str], Sequence[Any]]
    """Returns the cells of one of the named columns, from top to bottom."""
    index: Any = None
    """What pandas knows the rows by, None where the table isn't pandas'."""

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


def _of_pandas(pandas: Any, table: Any) -> Table:
    """Read a DataFrame, or a Series, which is a column of texts under its own name too."""
    if isinstance(table, pandas.Series):
        series_names = dict.fromkeys([TEXT, table.name] if isinstance(table.name, str) else [TEXT])
        return Table(tuple(series_names), len(table), lambda _: list(table.tolist()), table.index)

    def column(name: str) -> list[Any]:
        found = table[name]
        if isinstance(found, pandas.DataFrame):
            message = f"the table has several columns {name}: rename all but one"
            raise InvalidRequest(message, param="table")
        return list(found.tolist())

    names = tuple(dict.fromkeys(name for name in table.columns if isinstance(name, str)))
    return Table(names, len(table), column, table.index)


def _of_columns(table: Mapping[Any, Any]) -> Table:
    """Read a dict of columns.

    Raises:
        InvalidRequest: a column is none, or they are of different lengths.
    """
    columns: dict[str, list[Any]] = {}
    for name, cells in table.items():
        if isinstance(cells, str | bytes | Mapping) or not isinstance(cells, Iterable):
            message = f"{name!r} of the table is {article(type(cells).__name__)} and no column: write {{{name!r}: [… , …]}}, or a list of rows"
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
        return [row.get(name, ABSENT) if isinstance(row, Mapping) else ABSENT for row in rows]

    return Table(tuple(names), len(rows), column)
