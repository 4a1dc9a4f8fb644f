"""Rows as they are read and judged, before any tokenizer sees them.

    {"text": …}                              all of it is learned
    {"prompt": …, "completion": …}           the completion is learned
    {"messages": [{"role": …, "content": …}]}  what the assistant says is learned

All rows of one data set are of one kind. Rows are counted from 0, as in a DataFrame.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import ChatMessage, check_text

Row = Mapping[str, Any]
RowKind = Literal["text", "completion", "messages"]

KEYS: dict[frozenset[str], RowKind] = {
    frozenset({"text"}): "text",
    frozenset({"prompt", "completion"}): "completion",
    frozenset({"messages"}): "messages",
}
ROLES = ("system", "user", "assistant")
EXPECTED = "give each row a text, or a prompt and a completion, or messages"


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file that has a line of JSON for each.

    Raises:
        InvalidRequest: names a line that is no row.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file):
            try:
                row = json.loads(line)
            except ValueError as error:  # also what is not UTF-8
                raise wrong(number, f"is no JSON ({str(error)[:80]}): send the data again") from None
            yield row


def wrong(number: int, reason: str) -> InvalidRequest:
    """Return the error for a row."""
    return InvalidRequest(f"row {number:,} {reason}", param="data")


def kind_of(row: Any, number: int, before: RowKind | None = None) -> RowKind:
    """Return which kind a row is.

    Args:
        row: what was given for one.
        number: which it is, for the error.
        before: the kind of the rows before it, if there are any.

    Raises:
        InvalidRequest: it is none, or another one.
    """
    if not isinstance(row, Mapping):
        raise wrong(number, f"is a {type(row).__name__}: {EXPECTED}")
    kind = KEYS.get(frozenset(row))
    if kind is None:
        names = ", ".join(map(str, row))[:120] or "nothing"
        raise wrong(number, f"has {names}: {EXPECTED}, and nothing else")
    if before is not None and kind != before:
        raise wrong(number, f"has {' and '.join(row)}, unlike the rows before it: give all rows the same")
    return kind


def string(row: Row, key: str, number: int, *, may_be_empty: bool = False) -> str:
    """Return a text of a row.

    Raises:
        InvalidRequest: it is no text, or empty.
    """
    value = row[key]
    if not isinstance(value, str):
        raise wrong(number, f"has {_shown(value)} as its {key}: give a text")
    if not value and not may_be_empty:
        raise wrong(number, f"has an empty {key}: give it a word, or leave the row out")
    try:
        check_text(key, value)
    except InvalidRequest as error:
        raise wrong(number, f"is broken: its {error.message}") from None
    return value


def messages(row: Row, number: int) -> list[ChatMessage]:
    """Return the conversation of a row up to the last turn of the assistant; what comes after is not learned.

    Raises:
        InvalidRequest: it is none, or the assistant never speaks.
    """
    turns = row["messages"]
    if not isinstance(turns, list | tuple):
        raise wrong(number, f"has {_shown(turns)} as its messages: give a list of them")
    found = [_message(turn, index, number) for index, turn in enumerate(turns)]
    while found and found[-1].role != "assistant":
        found.pop()
    if not found:
        raise wrong(number, "has no message of the assistant: there is nothing to learn from it")
    return found


def _message(turn: Any, index: int, number: int) -> ChatMessage:
    if not isinstance(turn, Mapping) or set(turn) != {"role", "content"}:
        raise wrong(number, f"has {_shown(turn)} as message {index}: give it a role and a content, and nothing else")
    if turn["role"] not in ROLES:
        raise wrong(number, f"has the role {_shown(turn['role'])} in message {index}: there are {', '.join(ROLES)}")
    return ChatMessage(role=turn["role"], content=string(turn, "content", number))


def _shown(value: Any) -> str:
    return repr(value)[:60]
