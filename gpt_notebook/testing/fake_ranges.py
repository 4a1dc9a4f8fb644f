"""What the fake engine refuses: layers, heads and positions that aren't there."""

from __future__ import annotations

from gpt_notebook.errors import InvalidRequest


def checked(name: str, value: int, count: int, *, param: str | None = None, from_end: bool = False) -> int:
    """Return one of `count` things, which a request has as its `param`; with `from_end`, -1 is the last of them.

    Raises:
        InvalidRequest: it isn't there; says what is.
    """
    if not (-count if from_end else 0) <= value < count:
        also = f", or -{count} to -1 from the end" if from_end else ""
        message = f"there is no {name} {value}: give one from 0 to {count - 1}{also}"
        raise InvalidRequest(message, param=param or name)
    return value


def checked_interval(name: str, interval: tuple[int, int] | None, count: int) -> slice:
    """Return a stretch of `count` tokens; None is all of them.

    Raises:
        InvalidRequest: it goes beyond them.
    """
    if interval is not None and interval[1] > count:
        message = f"{name} {list(interval)} go beyond the text, which has {count} tokens: end at {count} at most"
        raise InvalidRequest(message, param=name)
    return slice(*(interval or (0, count)))
