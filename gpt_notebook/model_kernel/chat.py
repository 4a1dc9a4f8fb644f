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

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpt_notebook.model_kernel.template_process import TemplateProcess
from gpt_notebook.protocol import ChatMessage

PLAIN_STOPS = ("\n\nUser:", "\nUser:")


@dataclass(frozen=True)
class ChatPrompt:
    """A conversation as the model sees it."""

    text: str
    token_ids: list[int]
    stop: tuple[str, ...] = ()
    """What ends the model's turn beside its end token."""
    plain: bool = False
    """Whether it is the plain dialogue, whose answers begin with a space that isn't part of them."""


def render(tokenizer: Any, messages: Sequence[ChatMessage], templates: TemplateProcess) -> ChatPrompt:
    """Return the prompt that asks for the assistant's next turn.

    Raises:
        InvalidRequest: the template refuses these messages; gives its reason.
        ModelUnsafe: the template takes too long or too much memory, or makes too much text.
    """
    if not getattr(tokenizer, "chat_template", None):
        text = plain_dialogue(messages)
        return ChatPrompt(text, tokenizer(text)["input_ids"], stop=PLAIN_STOPS, plain=True)
    marks = _Marks(tokenizer)
    marked = [{"role": m.role, "content": marks.put(m.content)} for m in messages]
    text = templates.render(tokenizer.get_chat_template(), marked, dict(tokenizer.special_tokens_map))
    return ChatPrompt(marks.remove(text), marks.encode(text))


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


class _Marks:
    """Keeps special tokens that a message spells out apart from those of the template.

    They are replaced before the template is rendered, by marks that no message can contain, and encoded as the plain
    text that they are. Only there is the text cut, as cutting it before it is encoded can change the tokens at the cut.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        special = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
        self._special = sorted(special, key=len, reverse=True)  # Of two that begin alike, the longer one is meant.
        # From Unicode's private use area; nobody can guess what is between.
        self._begin, self._end = f"\ue000{secrets.token_hex(8)}-", "\ue001"

    def put(self, content: str) -> str:
        """Return a message with marks for its special tokens."""
        if not self._special:
            return content
        spelled_out = re.compile("|".join(map(re.escape, self._special)))
        return spelled_out.sub(lambda found: f"{self._begin}{self._special.index(found[0])}{self._end}", content)

    def remove(self, text: str) -> str:
        """Return a rendered conversation as it reads."""
        return "".join(piece for piece, _ in self._pieces(text))

    def encode(self, text: str) -> list[int]:
        """Return the ids of a rendered conversation."""
        ids: list[int] = []
        for piece, plain in self._pieces(text):
            options = {"split_special_tokens": True} if plain else {}
            ids += self._tokenizer(piece, add_special_tokens=False, **options)["input_ids"]
        return ids

    def _pieces(self, text: str) -> list[tuple[str, bool]]:
        """Return the pieces of a rendered conversation, and which of them are special tokens spelled out."""
        pieces = re.split(f"{self._begin}([0-9]+){self._end}", text)
        return [(self._special[int(piece)], True) if i % 2 else (piece, False) for i, piece in enumerate(pieces)]
