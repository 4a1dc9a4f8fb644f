"""Data for fine-tuning, whatever they come as: rows of text, of prompt and completion, or of messages.

A DataFrame, a list of texts or dicts, a dict of columns, a data set of `datasets`, files, or several files. They are read a
piece at a time, as often as need be. Only an iterator, which can be read once, and a `.json` file are held whole.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gpt_notebook.data import columns as data_columns
from gpt_notebook.data import files as data_files
from gpt_notebook.data.columns import Columns
from gpt_notebook.data.files import Record
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import COLUMNS
from gpt_notebook.protocol import ChatMessage
from gpt_notebook.table import Table

PIECE_ROWS = 1024
"""Of a table that are read at once."""
PIECE_BYTES = 1 << 18
"""Of lines that are given at once."""
JOINT = 12
"""Characters that a note shows on each side of where prompt and completion meet."""

Row = dict[str, Any]
"""`{"text": …}`, `{"prompt": …, "completion": …}` or `{"messages": [{"role": …, "content": …}, …]}`."""
_Sources = Iterator[tuple[tuple[str, ...], Iterable[Record]]]


class Dataset:
    """Data that can be read as often as need be."""

    def __init__(
        self,
        data: Any,
        *,
        text: str | None = None,
        prompt: str | None = None,
        completion: str | None = None,
        messages: str | None = None,
        what: str = "data",
    ) -> None:
        """Look at what kind of data these are, and read none of them yet.

        Args:
            data: A DataFrame, a list of texts, of dicts or of chats, a dict of columns, a datasets.Dataset, the path of a
                file (.jsonl, .ndjson, .json, .csv, .tsv, .parquet or .txt, also with .gz) or a list of paths.
            text: The column of texts, or a template such as `"{title}: {body}"`.
            prompt: Likewise, of what is given.
            completion: Likewise, of what is to be learnt.
            messages: The column of chats.
            what: What errors call them.

        Raises:
            InvalidRequest: they can't be read; says what to do.
        """
        given = dict(zip(COLUMNS, (text, prompt, completion, messages), strict=True))
        self._asked = {field: name for field, name in given.items() if name is not None}
        self._what = what
        self._paths = _paths(data)
        for path in self._paths or ():
            data_files.check(path)
        self._data = data if self._paths is not None else _kept(data)
        self.notes: list[str] = []
        """What the last reading took for granted, for people."""
        self.warnings: list[str] = []
        """What it saw that is probably not meant."""
        self.done = 0
        """How many rows have been read."""

    @property
    def length(self) -> int | None:
        """The number of rows; None where only reading tells."""
        return len(self._data) if self._paths is None and _is_measured(self._data) else None

    def names(self) -> tuple[str, ...]:
        """Return what the columns are called; those of the first file, where there are several.

        Raises:
            InvalidRequest: they can't be read.
        """
        return next(((*names,) for names, _ in self._sources()), ())

    def lines(self) -> Generator[bytes, None, None]:
        """Yield the rows as lines of JSON in UTF-8, many at once.

        Raises:
            InvalidRequest: a row can't be learnt from, which is named, or there is none.
        """
        gathered = bytearray()
        for row in self.rows():
            gathered += json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            if len(gathered) >= PIECE_BYTES:
                yield bytes(gathered)
                gathered.clear()
        if gathered:
            yield bytes(gathered)

    def rows(self) -> Generator[Row, None, None]:
        """Yield the rows.

        Raises:
            InvalidRequest: one can't be learnt from, which is named, or there is none.
        """
        notes: dict[str, None] = {}
        self.done = joined = 0
        self.warnings = []
        row: Row = {}
        for columns, where, record in self._records():
            try:
                row = columns.row(record)
            except InvalidRequest as error:
                message = self._named(f"{where}: {error.message}")
                raise InvalidRequest(message, param=error.param) from error
            self.done += 1
            joined += _joined(row)
            notes.update(dict.fromkeys(filter(None, (columns.note, _made_text(columns, record)))))
            self.notes = list(notes)
            yield row
        if not self.done:
            raise InvalidRequest(self._named(self._emptiness()), param=self._what)
        if joined == self.done:
            seen = row["prompt"][-JOINT:] + row["completion"][:JOINT]
            self.warnings.append(
                f"without a chat template nothing stands between prompt and completion, as in {seen!r}; a template puts something there, "
                f"such as ' {{{_a_column(columns)}}}' for the completion"
            )

    def _records(self) -> Iterator[tuple[Columns, str, Mapping[str, Any]]]:
        """Yield each row as it is in the data, where it is, and how it is read."""
        columns: Columns | None = None
        names: tuple[str, ...] | None = None
        for found, records in self._sources():
            if columns is None or found != names:
                columns, names = data_columns.choose(found, self._asked), found
            for where, record in records:
                yield columns, where, record

    def _sources(self) -> _Sources:
        """Yield what the columns are called, and their rows."""
        if self._paths is None:
            yield from _table_pieces(self._data)
            return
        for path in self._paths:
            records = data_files.records(path)
            first = next(records, None)
            if first is not None:
                yield tuple(map(str, first[1])), _chained(first, records)

    def _emptiness(self) -> str:
        where = "the data have" if self._paths is None else f"{' and '.join(map(str, self._paths))}: there is"
        return f"{where} no row: give at least one text to learn"

    def _named(self, message: str) -> str:
        return message if self._what == "data" else f"{self._what}: {message}"


def _paths(data: Any) -> list[Path] | None:
    """Return the files that data are, None where they are none.

    Raises:
        InvalidRequest: it is a single text.
    """
    if isinstance(data, str) and (not data.isprintable() or len(data) > os.pathconf("/", "PC_PATH_MAX")):
        message = "data is one text: give a list of texts, or the path of a file"
        raise InvalidRequest(message, param="data")
    if isinstance(data, str | os.PathLike):
        return [Path(data).expanduser()]
    if isinstance(data, list | tuple) and data and all(map(_is_path, data)):
        return [Path(each).expanduser() for each in data]
    return None


def _is_path(item: Any) -> bool:
    return isinstance(item, os.PathLike) or (isinstance(item, str) and data_files.looks_like_a_file(item))


def _kept(data: Any) -> Any:
    """Return data that are no files as what can be read again and again.

    Raises:
        InvalidRequest: there is no way to read them.
    """
    if type(data).__name__ in ("DatasetDict", "IterableDatasetDict"):
        message = f"the data have the splits {', '.join(data)}: give one of them, as in data['{next(iter(data))}'], and another as validation="
        raise InvalidRequest(message, param="data")
    if isinstance(data, bytes) or not (isinstance(data, Iterable) or hasattr(data, "to_pylist")):
        message = f"data are a DataFrame, a list of texts or of dicts, a dict of columns or the path of a file, not {type(data).__name__}"
        raise InvalidRequest(message, param="data")
    if isinstance(data, Iterator):
        data = list(data)
    if isinstance(data, list | tuple) and data and _is_chat(data[0]):
        return {"messages": data}
    return data


def _is_chat(item: Any) -> bool:
    return isinstance(item, list | tuple) and bool(item) and isinstance(item[0], Mapping | ChatMessage)


def _is_measured(data: Any) -> bool:
    return hasattr(data, "__len__") and not isinstance(data, Mapping)


def _table_pieces(data: Any) -> _Sources:
    """Yield a table as tables of some rows each: what a library keeps apart is made Python's own only so far."""
    begin = 0
    for piece in _pieces(data):
        table = Table.of(piece)
        if table.length:
            yield table.names, _table_records(table, begin)
        begin += table.length


def _pieces(data: Any) -> Iterator[Any]:
    pandas, datasets = sys.modules.get("pandas"), sys.modules.get("datasets")
    starts: Iterable[int] = range(0, len(data), PIECE_ROWS) if _is_measured(data) else ()
    if pandas is not None and isinstance(data, pandas.DataFrame | pandas.Series):
        yield from (data.iloc[start : start + PIECE_ROWS] for start in starts)
    elif datasets is not None and isinstance(data, datasets.Dataset):
        yield from (data[start : start + PIECE_ROWS] for start in starts)
    elif hasattr(data, "slice") and hasattr(data, "__len__"):  # polars, Arrow
        yield from (data.slice(start, PIECE_ROWS) for start in starts)
    elif datasets is not None and isinstance(data, datasets.IterableDataset):
        yield from ([record] for record in data)
    else:
        yield data


def _table_records(table: Table, begin: int) -> Iterator[Record]:
    columns = [table.column(name) for name in table.names]
    for row, cells in enumerate(zip(*columns, strict=True), start=begin):
        yield f"row {row:,}", dict(zip(table.names, cells, strict=True))


def _chained(first: Record, rest: Iterable[Record]) -> Iterator[Record]:
    yield first
    yield from rest


def _made_text(columns: Columns, record: Mapping[str, Any]) -> str:
    """Return a note where the completion's cell is no text of its own."""
    column = columns.fields.get("completion")
    if not isinstance(column, str) or isinstance(record[column], str):
        return ""
    return f"the cells of {column} are no texts but {type(record[column]).__name__}: what is learnt is their text"


def _joined(row: Row) -> bool:
    """Whether a completion follows its prompt without anything between two words."""
    if "completion" not in row:
        return False
    ends = row["prompt"][-1] + row["completion"][0]
    return ends.isascii() and not any(map(str.isspace, ends))


def _a_column(columns: Columns) -> str:
    column = columns.fields["completion"]
    return column if isinstance(column, str) else columns.needed[-1]
