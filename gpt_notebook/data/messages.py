"""The turns of a chat as data have them, made into those of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gpt_notebook.arguments import ROLES
from gpt_notebook.cells import article, cell_text
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import ChatMessage
from gpt_notebook.suggestions import did_you_mean

SHARED = {"human": "user", "gpt": "assistant", "system": "system"}
"""The roles of ShareGPT's data, whose turns are `{"from": …, "value": …}`."""


def turns_of(column: str, cell: Any) -> list[dict[str, str]]:
    """Return the turns of one chat.

    Raises:
        InvalidRequest: it is none, has a role that there isn't, or nothing that an assistant says.
    """
    if isinstance(cell, str | bytes | Mapping) or not isinstance(cell, Iterable):
        cell_text(column, cell)  # says better what is wrong with an empty one
        message = f'the cell of {column!r} is {article(type(cell).__name__)}, not a list of messages: in JSON lines it is [{{"role": "user", "content": …}}, …]'
        raise InvalidRequest(message, param=column)
    turns = [_turn(f"message {index} of {column!r}", each) for index, each in enumerate(cell)]
    if not any(turn["role"] == "assistant" for turn in turns):
        message = f"{column!r} has no message of the assistant, so that there is nothing to learn"
        raise InvalidRequest(message, param=column)
    return turns


def _turn(what: str, given: Any) -> dict[str, str]:
    if isinstance(given, ChatMessage):
        return {"role": given.role, "content": given.content}
    if not isinstance(given, Mapping):
        message = f"{what} is {article(type(given).__name__)}, not {{'role': …, 'content': …}}"
        raise InvalidRequest(message, param="messages")
    if "from" in given and "role" not in given:
        role, content = SHARED.get(str(given["from"]), given["from"]), given.get("value")
    else:
        role, content = given.get("role"), given.get("content")
    if role not in ROLES:
        message = f"the role of {what} is one of {', '.join(ROLES)}, not {role!r}{did_you_mean(str(role), ROLES)}"
        raise InvalidRequest(message, param="messages")
    if not isinstance(content, str) or not content.strip():
        nothing = content is None or isinstance(content, str)
        found = "empty" if nothing else f"no text but {article(type(content).__name__)}"
        message = f"the content of {what} is {found}"
        raise InvalidRequest(message, param="messages")
    return {"role": str(role), "content": content}
