r"""Variables of the notebook in a prompt: `{name}` becomes the variable's text, and nothing else is touched.

Prompts are full of braces that mean something else, so the rule is narrow: one name in one pair of braces, filled in
once, with no attributes, no format specs and no expressions; what is filled in is not looked at again. As typed stay

    {} {1} { name }       no name directly between the braces
    {"name": 1}           JSON
    {{name}}              doubled braces
    \frac{a}{b}           the arguments of a LaTeX command
    x_{i} e^{x}           sub- and superscripts of one letter

Knows nothing of IPython: the variables come as a mapping.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpt_notebook.errors import InvalidRequest

_PLACEHOLDER = re.compile(
    r"""
    (?P<command> \\(?!n\b)[A-Za-z]+\*? )     # a LaTeX command; its arguments are skipped by hand, as they nest
    | (?P<script> [_^] ) \{ (?P<scripted> [^\W\d]\w* ) \}
    | (?P<doubled> (?<!\{) \{\{++ [^{}]*+ \}\}+ )
    | \{ (?P<name> [^\W\d]\w* ) \}
    """,
    re.VERBOSE,
)

_DELIMITERS = (r"\left", r"\right")
"""Commands that are followed by a bracket of the formula, not by arguments."""

_BRACES = r"\{[^{}]{0,500}+\}"
for _ in range(3):
    _BRACES = rf"\{{(?:[^{{}}]|{_BRACES}){{0,500}}+\}}"
_ARGUMENT = re.compile(rf"{_BRACES}|\[[^\[\]]{{0,500}}+\]")
"""One argument, with braces nested as deep as formulas have them; bounded, so that no text takes long to read."""


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
    pieces: list[str] = []
    undefined: dict[str, None] = {}
    position = 0
    while found := _PLACEHOLDER.search(text, position):
        pieces.append(text[position : found.start()])
        position = found.end()
        as_typed = found.group()
        if found["command"]:
            if found["command"] not in _DELIMITERS:
                position = _end_of_arguments(text, position)
            pieces.append(text[found.start() : position])
            continue
        name = found["name"] or found["scripted"]
        if name is None or (found["script"] and len(name) == 1):
            pieces.append(as_typed)
        elif name in variables:
            pieces.append((found["script"] or "") + _text_of(name, variables[name]))
        else:
            pieces.append(as_typed)
            if not found["script"] and not keyword.iskeyword(name):
                undefined[name] = None
    pieces.append(text[position:])
    return Interpolated("".join(pieces), tuple(undefined))


def _text_of(name: str, value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        message = f"{{{name}}} cannot be filled in: {type(error).__name__} in str({name}); --no-vars leaves it as typed"
        raise InvalidRequest(message) from error


def _end_of_arguments(text: str, position: int) -> int:
    """Return where the arguments of a LaTeX command end that has just been read; an unclosed one is none."""
    while found := _ARGUMENT.match(text, position):
        position = found.end()
    return position
