"""Rows of files for fine-tuning: JSON lines, JSON, CSV, Parquet and text, read piece by piece.

A file is known by its name, `.gz` at its end included. Nothing is guessed from its content but what would go wrong: a
pickle, which could run any program, a zip or a spreadsheet is refused whatever it is called.

Text files have one sample a paragraph where blank lines separate paragraphs, else one a line.
"""

from __future__ import annotations

import contextlib
import csv
import json
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from gpt_notebook.data import bounded, parquet
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.suggestions import did_you_mean
from gpt_notebook.table import TEXT, Table

Record = tuple[str, Mapping[str, Any]]
"""Where a row is, such as `line 3`, and its cells."""
Records = Generator[Record, None, None]

SIGNATURES = {
    **{bytes((0x80, version)): "a pickle, which could run any program when it is read" for version in range(2, 6)},
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x1f\x8b": "compressed by gzip: let its name end in .gz",
    b"\x89HDF": "an HDF5 file",
    b"\xff\xfe": "no UTF-8 but UTF-16",
    b"\xfe\xff": "no UTF-8 but UTF-16",
}
"""What files begin with that are something else than they should be."""
PARQUET = b"PAR1"
MOST_CELL = 1 << 24
"""Characters of a cell of a CSV file: where a quote is missing, the rest of the file would be one."""
_CSV_LIMIT = threading.Lock()

_PICKLE = "a pickle could run any program when it is read: load it where you trust it, and give the table itself"
ADVICE = {
    **dict.fromkeys((".pkl", ".pickle", ".pt"), _PICKLE),
    **dict.fromkeys((".zip", ".tar"), "unpack it, and give the files that are in it"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "give pandas.read_excel(…) of it, or save it as CSV"),
    ".arrow": "give datasets.Dataset.from_file(…) of it, or save it as Parquet",
}
"""By what a name ends in, what to do with files that are not read."""


def looks_like_a_file(text: str) -> bool:
    """Whether a text is most likely the name of a file: it ends as those do, and has only one line."""
    return text.isprintable() and _suffix(Path(text)) in {*READERS, *ADVICE}


def check(path: Path) -> None:
    """Refuse what can't be read, before anything is sent.

    Raises:
        InvalidRequest: says what to do.
    """
    suffix = _suffix(path)
    if path.is_dir():
        reason = "is a directory: name the files in it, as in sorted(Path(…).glob('*.jsonl'))"
        if (path / "dataset_info.json").exists():
            reason = "is a directory that datasets has saved: give datasets.load_from_disk(…) of it"
    elif not path.exists():
        reason = f"does not exist{_others(path)}"
    elif suffix in ADVICE:
        reason = f"can't be read: {ADVICE[suffix]}"
    elif suffix not in READERS:
        known = ", ".join(READERS)
        reason = f"has a name that doesn't tell what is in it: it should end in one of {known}{did_you_mean(suffix, READERS)}"
    elif found := _something_else(path, suffix):
        reason = f"is {found}: give a table, or a file as {', '.join(READERS)} have it"
    else:
        return
    message = f"{path} {reason}"
    raise InvalidRequest(message, param="data")


def records(path: Path) -> Records:
    """Yield the rows of a file, and where each is.

    Raises:
        InvalidRequest: names the file and the line.
    """
    try:
        for where, record in READERS[_suffix(path)](path):
            yield f"{path.name}, {where}", record
    except (OSError, EOFError) as error:
        message = f"{path} can't be read: {getattr(error, 'strerror', None) or error}"
        raise InvalidRequest(message, param="data") from error
    except MemoryError:
        message = f"{path} has rows that don't fit into this machine's memory: cut them up, or save it as JSON lines (.jsonl), which are read one by one"
        raise InvalidRequest(message, param="data") from None


def _suffix(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _others(path: Path) -> str:
    """Return what was probably meant by the name of a file that doesn't exist."""
    with contextlib.suppress(OSError):
        if found := did_you_mean(path.name, [each.name for each in path.parent.iterdir()]):
            return found
    return ": for a data set of the hub give datasets.load_dataset(…)" if not path.suffix else ""


def _something_else(path: Path, suffix: str) -> str | None:
    with contextlib.suppress(OSError, EOFError), bounded.opened(path) as file:
        beginning = file.read(4)
        if beginning == PARQUET and suffix != ".parquet":
            return "a Parquet file: let its name end in .parquet"
        return next((what for mark, what in SIGNATURES.items() if beginning.startswith(mark)), None)
    return None


def _json_lines(path: Path) -> Records:
    for number, line in bounded.lines(path):
        if line.strip():
            value = _parsed(line, f"{path.name}, line {number}")
            yield f"line {number}", _as_record(value, f"{path.name}, line {number}")


def _json(path: Path) -> Records:
    """Yield the rows of one JSON text; many a file of JSON lines is called so, too."""
    value = _whole_json(path)
    if value is None:
        yield from _json_lines(path)
        return
    table = Table.of(value)
    columns = [table.column(name) for name in table.names]
    for row, cells in enumerate(zip(*columns, strict=True)):
        yield f"row {row}", dict(zip(table.names, cells, strict=True))


def _whole_json(path: Path) -> list[Any] | dict[str, Any] | None:
    """Return what a file holds; None where those are several lines of JSON.

    Raises:
        InvalidRequest: it is no JSON, or no rows.
    """
    try:
        value = json.loads(bounded.whole(path))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return None
        message = f"{path.name}, line {error.lineno} is no JSON ({error.msg}, character {error.colno})"
        raise InvalidRequest(message, param="data") from None
    except (ValueError, RecursionError) as error:
        message = f"{path.name} is JSON that can't be read: {error}"
        raise InvalidRequest(message, param="data") from None
    if not isinstance(value, list | dict):
        message = f"{path.name} holds {type(value).__name__}, not a list of rows"
        raise InvalidRequest(message, param="data")
    return value


def _parsed(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg}, character {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        message = f"{where} is no JSON ({reason})"
        raise InvalidRequest(message, param="data") from None


def _as_record(value: Any, where: str) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        return {TEXT: value}
    message = f"{where} is neither an object nor a text but {json.dumps(value)[:40]}"
    raise InvalidRequest(message, param="data")


def _separated(separator: str) -> Callable[[Path], Records]:
    def read(path: Path) -> Records:
        rows = _separated_rows(path, separator)
        _, names = next(rows, (0, []))
        _check_header(names, separator, path)
        for number, cells in rows:
            if cells:  # csv has none for a blank line
                yield f"line {number}", _named(names, cells, f"{path.name}, line {number}")

    return read


def _separated_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row, with the number of its last line.

    Raises:
        InvalidRequest: a quote is missing, or a cell or a row is too long.
    """
    begin, length = 1, 0

    def lines() -> Iterator[str]:
        """Give csv its lines, and no more of them for one row than a row may have."""
        nonlocal length
        for _, line in bounded.lines(path):
            length += len(line)
            if length > bounded.MOST_ROW:
                raise bounded.too_long(path, f"line {begin}")
            yield line

    rows = csv.reader(lines(), delimiter=separator, strict=True)
    try:
        while (cells := _next_row(rows)) is not None:
            yield rows.line_num, cells
            begin, length = rows.line_num + 1, 0
    except csv.Error as error:
        message = f"{path.name}, line {rows.line_num} is no CSV ({error}): save it again with quotes around its texts, or as JSON lines"
        if "field limit" in str(error):
            message = f"{path.name}, line {begin} begins a cell of more than {MOST_CELL:,} characters: if none is so long, a quote is missing; else save it as JSON lines"
        raise InvalidRequest(message, param="data") from None


def _next_row(rows: Iterator[list[str]]) -> list[str] | None:
    """Return the cells of the next row, None at the end; of texts that are longer than csv reads unless it is told to."""
    # The limit is the whole process's, and so is changed for no longer than a row takes, and by one thread at a time.
    with _CSV_LIMIT:
        before = csv.field_size_limit()
        csv.field_size_limit(max(before, MOST_CELL))
        try:
            return next(rows, None)
        finally:
            csv.field_size_limit(before)


def _check_header(names: list[str], separator: str, path: Path) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        message = f"{path.name} has several columns {twice!r}: rename all but one"
        raise InvalidRequest(message, param="data")
    if len(names) == 1 and separator == "," and ";" in names[0]:
        message = f"{path.name} has semicolons between its columns: give pandas.read_csv({path.name!r}, sep=';')"
        raise InvalidRequest(message, param="data")


def _named(names: list[str], cells: list[str], where: str) -> Mapping[str, str]:
    if len(cells) != len(names):
        message = f"{where} has {len(cells)} cells where the first line has {len(names)}: put quotes around texts with separators in them"
        raise InvalidRequest(message, param="data")
    return dict(zip(names, cells, strict=True))


def _text(path: Path) -> Records:
    """Yield paragraphs, their own line ends kept, or lines where no blank line separates anything."""
    samples = (
        _paragraphs(path) if _has_paragraphs(path) else ((n, line.strip("\r\n")) for n, line in bounded.lines(path))
    )
    for number, text in samples:
        if text.strip():
            yield f"line {number}", {TEXT: text}


def _has_paragraphs(path: Path) -> bool:
    """Whether a blank line stands between two others."""
    blank_before, begun = False, False
    for _, line in bounded.lines(path):
        if line.strip():
            if begun and blank_before:
                return True
            begun, blank_before = True, False
        else:
            blank_before = True
    return False


def _paragraphs(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the paragraphs of a file and the number of each one's first line.

    Raises:
        InvalidRequest: one is too long.
    """
    gathered: list[str] = []
    begin, length = 1, 0
    for number, line in bounded.lines(path):
        if line.strip():
            if not gathered:
                begin, length = number, 0
            gathered.append(line.rstrip("\r\n"))
            if (length := length + len(line)) > bounded.MOST_ROW:
                raise bounded.too_long(path, f"line {begin}")
        elif gathered:
            yield begin, "\n".join(gathered)
            gathered = []
    if gathered:
        yield begin, "\n".join(gathered)


READERS: dict[str, Callable[[Path], Records]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".parquet": parquet.records,
    ".txt": _text,
}
"""By what a name ends in, how it is read."""
