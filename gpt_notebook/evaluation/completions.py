"""What a model says to the prompts of rows that have a completion to compare it with: greedily, many rows at a time.

A row is the protocol's, `{"prompt": …, "completion": …}` or `{"messages": […]}`; of a chat the last turn of the assistant is
the completion, and what comes before it the prompt.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gpt_notebook import api, arguments, batches
from gpt_notebook.display import progress
from gpt_notebook.errors import GptNotebookError
from gpt_notebook.protocol import ChatMessage, Progress

Turns = tuple[ChatMessage, ...]


def expected(row: Mapping[str, Any]) -> str | None:
    """Return the completion of a row; None where it is a text, which has none."""
    if "messages" in row:
        return str(row["messages"][_last_answer(row)]["content"])
    return row.get("completion")


def with_completion(row: Mapping[str, Any], completion: str) -> dict[str, Any]:
    """Return a row with another completion in the place of its own, and nothing after it."""
    if "messages" not in row:
        return {**row, "completion": completion}
    before = row["messages"][: _last_answer(row)]
    return {"messages": [*before, {"role": "assistant", "content": completion}]}


def generate_completions(
    model: str, rows: Sequence[Mapping[str, Any]], *, chat: bool | None, max_new_tokens: int
) -> list[str | GptNotebookError]:
    """Return what a model says to each prompt, or why there is nothing.

    Args:
        model: What the model kernel understands.
        rows: None of them a text.
        chat: Whether a prompt is a user's turn; None: if the model has a chat template.
        max_new_tokens: At most.

    Raises:
        GptNotebookError: all of them fail.
    """
    options: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": max_new_tokens}
    found: dict[int, str | GptNotebookError] = {}
    with contextlib.closing(progress.bar("completions")) as bar:
        for (chat_of_group, system), places, prompts in _groups(rows, chat=chat):
            request_of = arguments.batch_requests(model, chat=chat_of_group, system=system, options=options)
            with contextlib.closing(batches.rows(prompts, request_of)) as events:
                for event in events:
                    if isinstance(event, Progress):
                        bar.waiting(event)
                    elif isinstance(event, batches.Row):
                        found[places[event.index]] = event.error or event.completions[0].text
                        bar(len(found), len(rows))
        for place, turns in _longer_chats(rows):
            try:
                found[place] = api.chat(turns, model=model, **options).text
            except GptNotebookError as error:
                found[place] = error
            bar(len(found), len(rows))
    return [found[index] for index in range(len(rows))]


_Group = tuple[bool | None, str | None]
"""Whether the prompts are users' turns, and what the model is told before them."""


def _groups(rows: Sequence[Mapping[str, Any]], *, chat: bool | None) -> Iterator[tuple[_Group, list[int], list[str]]]:
    """Yield the rows that can be asked together: their places and their prompts."""
    groups: dict[_Group, tuple[list[int], list[str]]] = {}
    for place, row in enumerate(rows):
        group: _Group
        if "messages" not in row:
            group, prompt = (chat, None), row["prompt"]
        elif (short := _short_chat(_turns(row))) is not None:
            group, prompt = (True, short[0]), short[1]
        else:
            continue
        places, prompts = groups.setdefault(group, ([], []))
        places.append(place)
        prompts.append(prompt)
    for asked, (places, prompts) in groups.items():
        yield asked, places, prompts


def _longer_chats(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Turns]]:
    for place, row in enumerate(rows):
        if "messages" in row and _short_chat(turns := _turns(row)) is None:
            yield place, turns


def _short_chat(turns: Turns) -> tuple[str | None, str] | None:
    """Return the system's text and the user's, where the prompt is no more than that."""
    match [(turn.role, turn.content) for turn in turns]:
        case [("user", prompt)]:
            return None, prompt
        case [("system", system), ("user", prompt)]:
            return system, prompt
    return None


def _turns(row: Mapping[str, Any]) -> Turns:
    return tuple(ChatMessage(**turn) for turn in row["messages"][: _last_answer(row)])


def _last_answer(row: Mapping[str, Any]) -> int:
    """Return the place of the assistant's last turn."""
    return max(place for place, turn in enumerate(row["messages"]) if turn["role"] == "assistant")
