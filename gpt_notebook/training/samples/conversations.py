"""Where the assistant speaks in a conversation, as the model's own chat template writes it.

A template is a program that writes text; it doesn't say which part of it is whose. That is found by comparing what it
writes of the conversation up to some turn, of the conversation up to there with the beginning of the next answer, and of
the whole. What stands before an answer is what the model will see when it is asked for one, to the token.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import ChatMessage
from gpt_notebook.turns import Marks, plain_dialogue


class Templates(Protocol):
    """Who renders chat templates, which are programs of strangers: `TemplateProcess`, or in tests something quicker."""

    def render(
        self, template: str, messages: Sequence[dict[str, str]], variables: dict[str, Any], *, asks: bool = True
    ) -> str:
        """Return the text of a conversation; with `asks`, up to where the assistant's next turn begins."""
        ...


class Piece(NamedTuple):
    """A part of a rendered conversation."""

    text: str
    """With the marks in it."""
    counted: bool
    """Whether it is what the assistant says."""
    ends: bool = False
    """Whether the model's end token belongs after it."""


class Conversations:
    """Conversations for one tokenizer."""

    def __init__(self, tokenizer: Any, templates: Templates) -> None:
        """Take a tokenizer, with or without a chat template, and who renders that."""
        self._tokenizer = tokenizer
        self._templates = templates
        self._template = tokenizer.get_chat_template() if getattr(tokenizer, "chat_template", None) else None
        self._variables = dict(tokenizer.special_tokens_map)
        self._marks = Marks(tokenizer)

    def pieces(self, messages: Sequence[ChatMessage]) -> list[Piece]:
        """Return a conversation in pieces, by turns what is asked and what is answered.

        Args:
            messages: the last one is the assistant's.

        Raises:
            InvalidRequest: the template refuses it, or writes it so that the answers can't be found.
        """
        marked = [ChatMessage(role=each.role, content=self._marked(each.content)) for each in messages]
        turns = [index for index, each in enumerate(marked) if each.role == "assistant"]
        asked = {turn: self._text(marked[:turn], asks=True) for turn in turns}
        whole = self._whole(marked, asked[turns[-1]])
        pieces: list[Piece] = []
        position = 0
        for turn in turns:
            start = len(asked[turn])
            if start < position or not whole.startswith(asked[turn]):
                raise _lost(turn)
            end, is_ended = self._end(whole, marked, turn, start)
            pieces.append(Piece(whole[position:start], counted=False))
            pieces.append(Piece(whole[start:end], counted=True, ends=not is_ended and turn == turns[-1]))
            position = end
        return pieces

    def encode(self, rows: Sequence[Sequence[Piece]]) -> list[list[list[int]]]:
        """Return the ids of each piece of each row, tokenised as the model kernel tokenises a conversation."""
        texts = [piece.text for row in rows for piece in row]
        if self._template is not None:
            ids = self._marks.encode_all(texts)
        else:
            # Only a text has special tokens around it, and a text begins with its first piece.
            ids = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
            firsts = self._tokenizer([row[0].text for row in rows], verbose=False)["input_ids"]
            starts = itertools.accumulate(map(len, rows[:-1]), initial=0)
            for start, first in zip(starts, firsts, strict=True):
                ids[start] = first
        found = iter(ids)
        return [[next(found) for _ in row] for row in rows]

    def _marked(self, content: str) -> str:
        return content if self._template is None else self._marks.put(content)

    def _whole(self, marked: Sequence[ChatMessage], asked: str) -> str:
        """Return the text of a conversation, of which the part before the last answer is what asks for it."""
        whole = self._text(marked, asks=False)
        if whole.startswith(asked):
            return whole
        # Some templates begin an answer otherwise when they ask for it than when it is there, such as with a thought.
        place = whole.rfind(marked[-1].content.strip())
        if place < 0:
            raise _lost(len(marked) - 1)
        return asked + whole[place:]

    def _end(self, whole: str, marked: Sequence[ChatMessage], turn: int, start: int) -> tuple[int, bool]:
        """Return where an answer that begins at `start` ends, and whether a special token is its end."""
        is_last = turn == len(marked) - 1
        upto = whole if is_last else self._text(marked[: turn + 1], asks=False)
        limit = len(upto) if whole.startswith(upto) and len(upto) > start else None
        content = marked[turn].content.strip()
        place = whole.find(content, start)
        after = start if place < 0 else place + len(content)
        special = None if self._template is None else self._marks.end_of_special(whole, after)
        if special is not None and (limit is None or special <= limit):
            return special, True
        if limit is None:
            raise _lost(turn)
        return (len(whole.rstrip()) if is_last and after <= len(whole.rstrip()) else limit), False

    def _text(self, messages: Sequence[ChatMessage], *, asks: bool) -> str:
        if self._template is None:
            text = plain_dialogue(messages)
            return text if asks else text.removesuffix("Assistant:")
        plain = [{"role": each.role, "content": each.content} for each in messages]
        return self._templates.render(self._template, plain, self._variables, asks=asks)


def _lost(turn: int) -> InvalidRequest:
    message = (
        f"the model's chat template writes message {turn} so that it can't be told what the assistant says: "
        "give prompts and completions with the option chat off"
    )
    return InvalidRequest(message, param="messages")
