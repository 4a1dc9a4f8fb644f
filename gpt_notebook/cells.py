"""The text of a table's cell, for a prompt; a cell without one is refused.

Knows no library's types but by their names: whoever has cells of theirs has imported them.
"""

from __future__ import annotations

import datetime as dt
import numbers
from typing import Any

from gpt_notebook.errors import InvalidRequest

ABSENT = object()
"""In the place of a cell that a row doesn't have."""

_NO_VALUE = ("NAType", "NaTType")
"""The types of what pandas puts where there is nothing; NaN is a number that isn't itself."""

_PRINTED = (numbers.Number, dt.date, dt.time, dt.timedelta)
"""What has one obvious text, beside texts themselves; `bool` is a number and `datetime` a date."""


def cell_text(name: str, cell: object) -> str:
    """Return the text of a cell: numbers and dates as Python prints them, whatever is text as it is.

    Raises:
        InvalidRequest: there is nothing in it, or what has no text of its own.
    """
    if cell is ABSENT:
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
        message = f"the cell of {name!r} is no text but {article(type(cell).__name__)}: make a column of texts of it"
    raise InvalidRequest(message, param=name)


def _nothing(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in _NO_VALUE:
        return True
    return _plain(cell) and bool(cell != cell)  # noqa: PLR0124 - what NaN is known by


def _plain(cell: object) -> bool:
    """Whether a cell has one obvious text; NumPy's scalars are neither numbers nor dates of Python's."""
    return isinstance(cell, _PRINTED) or (type(cell).__module__ == "numpy" and getattr(cell, "ndim", 1) == 0)


def article(noun: str) -> str:
    """Return a noun with its article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
