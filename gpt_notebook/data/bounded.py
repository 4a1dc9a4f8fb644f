"""Reading files for fine-tuning with no more in memory than a row may be, whatever the file holds.

A few bytes of gzip can become a line of many gigabytes. So nothing is read here without a limit: it is refused with its
place before it fills the memory, and long before the model kernel could say that the data are too many.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gpt_notebook.byte_sizes import size
from gpt_notebook.errors import InvalidRequest

MOST_ROW = 40_000_000
"""Bytes of a row. The model kernel takes less than half of it, but a row of a file can have columns that are not sent, and
JSON can write a letter twice as long."""
MOST_WHOLE = 1_000_000_000
"""Bytes of what can only be held whole, a `.json` file."""
PIECE_BYTES = 1 << 20
"""Of such a file that are read at once."""
BYTE_ORDER_MARK = "\ufeff"


def opened(path: Path) -> IO[bytes]:
    """Open a file for reading; of one that is compressed, what is in it."""
    return gzip.open(path) if path.name.endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers from 1, each with its end.

    Raises:
        InvalidRequest: one is not UTF-8, or longer than a row may be.
    """
    with opened(path) as file:
        number = 0
        while line := file.readline(MOST_ROW + 1):
            number += 1
            if len(line) > MOST_ROW:
                raise too_long(path, f"line {number}")
            yield number, _text(line, path, number)


def whole(path: Path) -> str:
    """Return the text of a file.

    Raises:
        InvalidRequest: it is not UTF-8, or too long to be held whole.
    """
    content = bytearray()
    with opened(path) as file:
        while piece := file.read(PIECE_BYTES):
            content += piece
            if len(content) > MOST_WHOLE:
                message = f"{path.name} holds more than {size(MOST_WHOLE)}, and JSON has to be held whole: save it as JSON lines (.jsonl), a row on each line"
                raise InvalidRequest(message, param="data")
    return _text(content, path, 1)


def too_long(path: Path, where: str) -> InvalidRequest:
    """Return the error of a row that can't be held."""
    message = f"{path.name}, {where}: this row is larger than {size(MOST_ROW)}: cut it up"
    return InvalidRequest(message, param="data")


def _text(content: bytes | bytearray, path: Path, number: int) -> str:
    """Return the text of bytes that begin on the line of this number."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        number += content.count(b"\n", 0, error.start)
        byte = error.start - content.rfind(b"\n", 0, error.start)
        message = f"{path.name}, line {number}, byte {byte} of it is not UTF-8 (0x{content[error.start]:02x}): save the file as UTF-8"
        raise InvalidRequest(message, param="data") from None
    return text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text
