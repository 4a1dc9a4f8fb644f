"""Variables of the notebook in a prompt: `{name}` becomes the variable's text, and nothing else is touched.

Each is filled in once; what is filled in is not looked at again. Knows nothing of IPython: the variables come as a mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.placeholders import pieces


@dataclass(frozen=True)
class Interpolated:
    """A prompt with its variables filled in."""

    text: str
    undefined: tuple[str, ...] = ()
    """The names that look like variables and are none."""


def interpolate(text: str, variables: Mapping[str, Any]) -> Interpolated:
    """Fill in each `{name}` of an existing variable.

    Raises:
        InvalidRequest: a variable has no text; names it.
    """
    filled: list[str] = []
    undefined: dict[str, None] = {}
    for piece in pieces(text):
        if isinstance(piece, str):
            filled.append(piece)
        elif piece.name in variables:
            filled.append(piece.before + _text_of(piece.name, variables[piece.name]))
        else:
            filled.append(piece.as_typed)
            if piece.meant:
                undefined[piece.name] = None
    return Interpolated("".join(filled), tuple(undefined))


def _text_of(name: str, value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        message = f"{{{name}}} cannot be filled in: {type(error).__name__} in str({name}); --no-vars leaves it as typed"
        raise InvalidRequest(message) from error
