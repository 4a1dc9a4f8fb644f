"""A prompt for each row of a table: `{column}` becomes the row's cell, by the rules of `%%gpt` cells.

What is no name in one pair of braces stays as typed, JSON and LaTeX included. Two things are otherwise than in a cell:
a name that no column has is refused, since a thousand prompts would be wrong at once, and doubled braces become single
ones, `{{column}}` the text `{column}`. A column whose name has spaces is written just so, `{First name}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.placeholders import Placeholder
from gpt_notebook.placeholders import pieces as as_in_a_cell
from gpt_notebook.suggestions import nearest

_BRACES = re.compile(r"(?<!\{)\{\{(?P<doubled>[^{}]*+)\}\}(?!\})|\{(?P<name>[^{}]++)\}")


@dataclass(frozen=True)
class Field:
    """A place that a column fills."""

    column: str
    before: str = ""


@dataclass(frozen=True)
class Template:
    """A prompt with places for the cells of a row."""

    pieces: tuple[str | Field, ...]

    @classmethod
    def of(cls, text: str, columns: Sequence[str]) -> Template:
        """Read a template for a table with these columns.

        Raises:
            InvalidRequest: it names a column that the table doesn't have, or none at all, or the table has none to name.
        """
        if not columns:
            message = "the table has no column that a template can name: columns need text names, so rename them"
            raise InvalidRequest(message, param="table")
        found: list[str | Field] = []
        for piece in as_in_a_cell(text):
            found += _literal(piece, columns) if isinstance(piece, str) else [_field(piece, columns)]
        template = cls(tuple(each for each in found if each))
        if not template.columns:
            message = f"the template has no {{column}} of the table, so that every row would get the same prompt: name one of {', '.join(columns)}"
            raise InvalidRequest(message, param="template")
        return template

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs, each once."""
        return tuple(dict.fromkeys(each.column for each in self.pieces if isinstance(each, Field)))

    def fill(self, cell: Callable[[str], str]) -> str:
        """Return the prompt of a row; `cell` gives the text of a column."""
        return "".join(each if isinstance(each, str) else each.before + cell(each.column) for each in self.pieces)


def _field(place: Placeholder, columns: Sequence[str]) -> str | Field:
    if place.name in columns:
        return Field(place.name, place.before)
    if not place.meant:
        return place.as_typed
    near = nearest(place.name, columns)
    hint = f"Did you mean {near}?" if near else f"There are {', '.join(columns)}"
    message = f"unknown column {place.name}: braces that are meant as such are doubled, {{{{{place.name}}}}}. {hint}"
    raise InvalidRequest(message, param="template")


def _literal(text: str, columns: Sequence[str]) -> Iterator[str | Field]:
    """Yield what stays as typed, and the columns whose names are no plain names."""
    position = 0
    for found in _BRACES.finditer(text):
        name = found["name"]
        # A plain name that is still here is no place of a column's, by the rules of a cell.
        if name is not None and (name not in columns or name.isidentifier()):
            continue
        yield text[position : found.start()]
        yield f"{{{found['doubled']}}}" if name is None else Field(name)
        position = found.end()
    yield text[position:]
