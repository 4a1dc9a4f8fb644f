"""From messages to a prompt: the model's own chat template, or a plain dialogue for models without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpt_notebook.protocol import ChatMessage
from gpt_notebook.template_process import TemplateProcess
from gpt_notebook.turns import Marks, plain_dialogue

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
    marks = Marks(tokenizer)
    marked = [{"role": m.role, "content": marks.put(m.content)} for m in messages]
    text = templates.render(tokenizer.get_chat_template(), marked, dict(tokenizer.special_tokens_map))
    return ChatPrompt(marks.remove(text), marks.encode(text))
