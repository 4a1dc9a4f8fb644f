r"""Where a name could be filled in: `{name}`, as a cell and the template of a table have it.

Prompts are full of braces that mean something else, so the rule is narrow: one name in one pair of braces, with no
attributes, no format specs and no expressions. As typed stay

    {} {1} { name }       no name directly between the braces
    {"name": 1}           JSON
    {{name}}              doubled braces
    \frac{a}{b}           the arguments of a LaTeX command
    x_{i} e^{x}           sub- and superscripts of one letter

What is filled in, and what becomes of a name that nothing has, is its callers' business.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass

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
class Placeholder:
    """A place in a text that a name could fill."""

    name: str
    as_typed: str
    before: str = ""
    """What stays before what is filled in: the sign of a sub- or superscript."""
    meant: bool = True
    """Whether it looks like a variable also where nothing has this name."""


def pieces(text: str) -> Iterator[str | Placeholder]:
    """Cut a text into what stays as typed and what a name could fill."""
    position = 0
    while found := _PLACEHOLDER.search(text, position):
        yield text[position : found.start()]
        position = found.end()
        if found["command"]:
            if found["command"] not in _DELIMITERS:
                position = _end_of_arguments(text, position)
            yield text[found.start() : position]
            continue
        name, script = found["name"] or found["scripted"], found["script"] or ""
        if name is None or (script and len(name) == 1):
            yield found.group()
        else:
            yield Placeholder(name, found.group(), script, meant=not script and not keyword.iskeyword(name))
    yield text[position:]


def _end_of_arguments(text: str, position: int) -> int:
    """Return where the arguments of a LaTeX command end that has just been read; an unclosed one is none."""
    while found := _ARGUMENT.match(text, position):
        position = found.end()
    return position
