"""What views may send with a question: each parameter is looked at before anything is computed.

A view is a program in somebody's browser, which may be of another version, broken or hostile. What it gets is one
sentence with the bad value; whether a layer, a head or a position is there is found out by whoever answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from gpt_notebook.attention_protocol import SCORE_KINDS, Part, Reduction
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import CommandName

Side = Literal["query", "key"]

LARGEST = 2**31
"""No layer, head, position or size is as large."""
SHOWN = 60
"""Characters of a bad value."""
PAIR = 2

Check = Callable[[Any], bool]


def check(params: Mapping[str, Any]) -> None:
    """Refuse a parameter that is not of its kind; names that nobody knows are somebody else's.

    Raises:
        InvalidRequest: says which, and what it should be.
    """
    for name, value in params.items():
        is_good, what = KINDS.get(name, (_anything, ""))
        if not is_good(value):
            message = f"{name} is {what}, not {_short(value)}: reload the page"
            raise InvalidRequest(message, param=name)


def interval(name: str, value: Any) -> tuple[int, int]:
    """Return a half-open interval of positions.

    Raises:
        InvalidRequest: it is none.
    """
    if not _is_list(value) or len(value) != PAIR:
        message = f"{name} is a pair (first, one after the last), not {_short(value)}: reload the page"
        raise InvalidRequest(message, param=name)
    first, stop = value
    return first, stop


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _anything(_value: Any) -> bool:
    return True


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < LARGEST


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _are_positions(value: Any) -> bool:
    return _is_list(value) and all(map(_is_whole, value))


def _are_heads(value: Any) -> bool:
    return _is_list(value) and all(_are_positions(each) and len(each) == PAIR for each in value)


def _one_of(*known: Any) -> tuple[Check, str]:
    names = ", ".join(map(repr, known))
    return (lambda value: any(type(value) is type(each) and value == each for each in known)), f"one of {names}"


_WHOLE: tuple[Check, str] = (_is_whole, "a whole number")
_ENDS: tuple[Check, str] = (
    lambda value: isinstance(value, str) or _are_positions(value),
    "a text or a list of positions",
)

KINDS: Mapping[str, tuple[Check, str]] = {
    "which": _one_of(0, 1),
    "part": _one_of(*get_args(Part)),
    "kind": _one_of(*SCORE_KINDS),
    "reduction": _one_of(*get_args(Reduction)),
    "of": _one_of(*get_args(Side)),
    "hide_sink": _one_of(True, False),
    "layers": (lambda value: value is None or _are_positions(value), "a list of layers, or null for all"),
    "heads": (_are_heads, "a list of pairs (layer, head)"),
    "queries": _ENDS,
    "keys": _ENDS,
    "form": (lambda value: isinstance(value, Mapping), "an object"),
    "command": _one_of(*get_args(CommandName)),
    "value": (lambda value: value is None or type(value) in (int, float), "a number or null"),
    "merged": _one_of(True, False),
} | {
    **dict.fromkeys(("layer", "head", "query", "key", "position", "k", "size", "step", "rows", "number"), _WHOLE),
    **dict.fromkeys(("text", "job", "prompt", "directory", "model"), (lambda value: isinstance(value, str), "a text")),
}
"""What each parameter has to be, whichever method it is of."""
