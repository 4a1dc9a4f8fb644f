"""What argparse has against an option, in one line that says what would do."""

from __future__ import annotations

import re

_OPTION = re.compile(r"argument (?P<flag>\S+?)(?:/\S+)?: (?P<reason>.*)")
_VALUE = re.compile(r"invalid (?P<kind>.+?) value: (?P<value>.*)")

_WANTED = {"int": "a whole number", "float": "a number"}


def option_and_reason(message: str) -> tuple[str | None, str]:
    """Return the option that a message of argparse is about, or None, and what is wrong with it."""
    found = _OPTION.fullmatch(message)
    return (found["flag"], found["reason"]) if found else (None, message)


def in_our_words(message: str) -> str:
    """Return a message of argparse as we say it; a type that is no number is called by its name."""
    flag, reason = option_and_reason(message)
    if flag is None:
        return reason
    if reason == "expected one argument":
        return f"{flag} needs a value after it; one that begins with - is written {flag}=-…"
    if found := _VALUE.fullmatch(reason):
        kind = found["kind"]
        return f"{flag} needs {_WANTED.get(kind, f'a {kind}')}, not {found['value']}"
    return f"{flag}: {reason}"
