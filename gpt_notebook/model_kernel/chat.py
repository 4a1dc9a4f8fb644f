"""From messages to a prompt: the model's own chat template, or a plain dialogue for models without one.

The plain dialogue is

    User: Tell me a story.
    Assistant: Once upon a time …

    User: And then?
    Assistant:

with the system message, if there is one, as a paragraph before it. The model goes on after the last `Assistant:`, and
its turn ends before the next `User:`.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpt_notebook.errors import InvalidRequest, ModelUnsafe
from gpt_notebook.protocol import ChatMessage

RENDER_SECONDS = 2.0
MAX_PROMPT_CHARACTERS = 16 * 1024**2

PLAIN_STOP = "\nUser:"


@dataclass(frozen=True)
class ChatPrompt:
    """A conversation as the model sees it."""

    text: str
    token_ids: list[int]
    stop: tuple[str, ...] = ()
    """What ends the model's turn beside its end token."""
    plain: bool = False
    """Whether it is the plain dialogue, whose answers begin with a space that isn't part of them."""


def render(tokenizer: Any, messages: Sequence[ChatMessage]) -> ChatPrompt:
    """Return the prompt that asks for the assistant's next turn.

    Raises:
        InvalidRequest: the template refuses these messages; gives its reason.
        ModelUnsafe: the template takes too long or makes too much text.
    """
    if not getattr(tokenizer, "chat_template", None):
        text = plain_dialogue(messages)
        return ChatPrompt(text, tokenizer(text)["input_ids"], stop=(PLAIN_STOP,), plain=True)
    text = _rendered_in_time(tokenizer, [{"role": m.role, "content": m.content} for m in messages])
    if len(text) > MAX_PROMPT_CHARACTERS:
        message = f"the model's chat template made {len(text):,} characters of this conversation: use --complete"
        raise ModelUnsafe(message)
    return ChatPrompt(text, _encode(tokenizer, text, messages))


def plain_dialogue(messages: Sequence[ChatMessage]) -> str:
    """Return the plain dialogue that ends where the assistant speaks next."""
    text = ""
    for message in messages:
        match message.role:
            case "system":
                text += f"{message.content}\n\n"
            case "user":
                text += f"User: {message.content}\n"
            case "assistant":
                text += f"Assistant: {message.content}\n\n"
    return text + "Assistant:"


def _encode(tokenizer: Any, text: str, messages: Sequence[ChatMessage]) -> list[int]:
    """Return the ids of a rendered conversation; special tokens that a message spells out stay plain text.

    Only then are the parts encoded apart, because cutting a text before encoding can change the tokens at the cut.
    """
    special = [token for token in tokenizer.get_added_vocab() if any(token in m.content for m in messages)]
    if not special:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    ids: list[int] = []
    for message in messages:
        before, found, text = text.partition(message.content)
        if (
            not found
        ):  # The template changed the message, so where it stands is unknown: nothing in the rest is special.
            text = before
            break
        ids += tokenizer(before, add_special_tokens=False)["input_ids"]
        ids += tokenizer(message.content, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        last = message is messages[-1]
        if last:
            return ids + list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return ids + list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


class _TooSlow(Exception):  # noqa: N818 - raised into another thread, seen by nobody
    pass


def _rendered_in_time(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """Render in a thread that is interrupted when a template loops; transformers' sandbox bounds all but its time."""
    outcome: list[str | Exception] = []

    def work() -> None:
        try:
            outcome.append(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        except Exception as error:  # noqa: BLE001 - a template can raise anything
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(RENDER_SECONDS)
    if thread.is_alive():
        identity = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(_TooSlow))
        message = f"the model's chat template ran for more than {RENDER_SECONDS:g} s and was stopped: use --complete"
        raise ModelUnsafe(message)
    (result,) = outcome
    if isinstance(result, Exception):
        message = f"the model's chat template refuses this conversation: {result}"
        raise InvalidRequest(message, param="messages")
    return result
