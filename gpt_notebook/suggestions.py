"""What somebody probably meant who wrote a name that doesn't exist."""

from __future__ import annotations

from collections.abc import Iterable

SIMILAR = 0.65
"""From this similarity on, of at most 1, a name is worth suggesting."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that begins with this one or is much like it, or None."""
    from difflib import get_close_matches

    names = list(known)
    longer = [each for each in names if len(name) > 2 and each.startswith(name)]  # noqa: PLR2004 - "-x" begins nothing
    near = longer or get_close_matches(name, names, n=1, cutoff=SIMILAR)
    return near[0] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a line that asks back, or "" where nothing is near."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return one line about a name that doesn't exist: the nearest one that does, else all."""
    names = list(known)
    near = nearest(name, names)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(names)}"
    return f"unknown {kind} {name}: {hint}"
