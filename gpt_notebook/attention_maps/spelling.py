"""The positions in a text that somebody means: numbers, or the tokens that spell a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from gpt_notebook.attention_maps import places
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import Token

Positions = str | int | Iterable[int]
"""Positions in a text: the tokens that spell a string, wherever they do, or numbers."""

SUGGESTIONS = 5
MOST_SHOWN = 80
"""Characters of a text that a message repeats."""
SIMILAR = 0.5


def positions(name: str, value: Positions, tokens: Sequence[Token]) -> tuple[int, ...]:
    """Return positions, in order: those of the tokens that spell a text, all of its occurrences, or those given.

    Raises:
        InvalidRequest: no token spells it (names those that are near), or a position is not there.
    """
    if isinstance(value, str):
        found = spelling(value, tokens)
        if not found:
            message = f"no token here spells {shortened(value)!r}: {_near(value[:MOST_SHOWN], tokens)}"
            raise InvalidRequest(message, param=name)
        return found
    given = value if isinstance(value, Iterable) else [value]
    found = tuple(sorted({places.position(name, each, len(tokens)) for each in given}))
    if not found:
        message = f"{name} is empty: name at least one position"
        raise InvalidRequest(message, param=name)
    return found


def shortened(text: str) -> str:
    """Return a text as it stands in a message: its beginning, where it is long."""
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"


def spelling(text: str, tokens: Sequence[Token]) -> tuple[int, ...]:
    """Return the positions of the whole tokens that spell a text, spaces around it apart; () where none do."""
    wanted = text.strip() or text
    found: list[int] = []
    start = 0
    while start < len(tokens):
        end = _spelled_until(wanted, tokens, start)
        found += range(start, end)
        start = max(end, start + 1)
    return tuple(found)


def _spelled_until(wanted: str, tokens: Sequence[Token], start: int) -> int:
    """Return the position after the tokens from `start` that spell the text, or `start` where they spell another."""
    first = tokens[start]
    if not first.text.strip() and not first.bytes and wanted.strip():
        return start  # a space before the text is no part of it
    spelled = ""
    for end in range(start, len(tokens)):
        spelled += tokens[end].text
        if wanted in (spelled, spelled.strip()):
            return end + 1
        if not wanted.startswith(spelled.lstrip()):
            break
    return start


def _near(text: str, tokens: Sequence[Token]) -> str:
    """Return which tokens of a text might have been meant, or how it begins."""
    known = list(dict.fromkeys(token.text.strip() for token in tokens if token.text.strip()))
    lowered = {each.lower(): each for each in reversed(known)}
    near = get_close_matches(text.strip().lower(), lowered, n=SUGGESTIONS, cutoff=SIMILAR)
    if near:
        return f"near are {', '.join(repr(lowered[each]) for each in near)}"
    return f"the text begins {', '.join(map(repr, known[:SUGGESTIONS]))}"
