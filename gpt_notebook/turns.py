"""Conversations as models read them, where no template says otherwise, and what messages must not say to a template.

The plain dialogue, for models without a chat template, is

    User: Tell me a story.
    Assistant: Once upon a time …

    User: And then?
    Assistant:

with the system message, if there is one, as a paragraph before it. The model goes on after the last `Assistant:`, and
its turn ends before the next `User:`.

Used by the model kernel and by jobs, which must read a conversation alike. Knows a tokenizer only by what it can be asked.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any

from gpt_notebook.protocol import ChatMessage


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


class Marks:
    """Keeps special tokens that a message spells out apart from those of the template.

    They are replaced before the template is rendered, by marks that no message can contain, and encoded as the plain
    text that they are. Only there is the text cut, as cutting it before it is encoded can change the tokens at the cut.
    """

    def __init__(self, tokenizer: Any) -> None:
        """Take the tokenizer whose special tokens they are."""
        self._tokenizer = tokenizer
        special = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
        self._special = sorted(special, key=len, reverse=True)  # Of two that begin alike, the longer one is meant.
        # From Unicode's private use area; nobody can guess what is between.
        self._begin, self._end = f"\ue000{secrets.token_hex(8)}-", "\ue001"
        self._spelled_out = re.compile("|".join(map(re.escape, self._special)) or r"(?!)")
        self._mark = re.compile(f"{self._begin}([0-9]+){self._end}")

    def put(self, content: str) -> str:
        """Return a message with marks for its special tokens."""
        return self._spelled_out.sub(lambda found: f"{self._begin}{self._special.index(found[0])}{self._end}", content)

    def remove(self, text: str) -> str:
        """Return a rendered conversation as it reads."""
        return "".join(piece for piece, _ in self._pieces(text))

    def encode(self, text: str) -> list[int]:
        """Return the ids of a rendered conversation."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of rendered conversations, or of pieces of them."""
        pieces = [self._pieces(text) for text in texts]
        kinds = {
            plain: [piece for each in pieces for piece, is_plain in each if is_plain is plain]
            for plain in (False, True)
        }
        ids = {plain: iter(self._ids(found, plain=plain)) for plain, found in kinds.items()}
        return [[i for _, plain in each for i in next(ids[plain])] for each in pieces]

    def _ids(self, pieces: list[str], *, plain: bool) -> list[list[int]]:
        if not pieces:
            return []
        options = {"split_special_tokens": True} if plain else {}
        ids: list[list[int]] = self._tokenizer(pieces, add_special_tokens=False, verbose=False, **options)["input_ids"]
        return ids

    def end_of_special(self, text: str, start: int) -> int | None:
        """Return where the first special token that stands in a rendered text from `start` on ends; None: there is none."""
        found = self._spelled_out.search(text, start)
        return None if found is None else found.end()

    def _pieces(self, text: str) -> list[tuple[str, bool]]:
        """Return the pieces of a rendered conversation, and which of them are special tokens spelled out."""
        pieces = self._mark.split(text)
        return [(self._special[int(piece)], True) if i % 2 else (piece, False) for i, piece in enumerate(pieces)]
