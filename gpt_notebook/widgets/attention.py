"""`gpt.AttentionPanel`: explore what each head attends to; the twin of `labextension/src/widgets/attention.ts`.

What its views can ask is in `_attention_answers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gpt_notebook import arguments
from gpt_notebook.attention_maps import functions, places
from gpt_notebook.attention_maps.kept import KeptAttention
from gpt_notebook.attention_maps.maps import Attention
from gpt_notebook.attention_protocol import AttentionRequest, Part
from gpt_notebook.completion import Completion
from gpt_notebook.display import progress
from gpt_notebook.display.quantities import counted
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import TokenizeRequest
from gpt_notebook.session import Model, session
from gpt_notebook.suggestions import unknown_name
from gpt_notebook.visible_text import visible
from gpt_notebook.widgets._attention_answers import AttentionAnswers
from gpt_notebook.widgets._attention_state import CHOICES, INITIAL, fitted, is_there, most_tokens
from gpt_notebook.widgets._empty import EmptyAnswers, empty_twin
from gpt_notebook.widgets._looks import look
from gpt_notebook.widgets._panel import STATIC, Panel
from gpt_notebook.widgets._questions import ask

if TYPE_CHECKING:
    import os
    from pathlib import Path


class AttentionPanel(Panel, bundle="attention"):
    """Explore the attention of a text, of a completion with its prompt, or of an `Attention`.

    `state` is what is shown, and can be changed; `chosen` is the head that is looked at, so that
    `panel.attention.map(*panel.chosen)` is its map.
    """

    initial_state: ClassVar[Mapping[str, Any]] = INITIAL

    def __init__(
        self,
        text: str | Completion | Attention,
        *,
        model: Model = None,
        other: str | Completion | Attention | None = None,
        other_model: Model = None,
        target: str | None = None,
        chat: bool = False,
        add_special_tokens: bool = True,
        **state: Any,
    ) -> None:
        """Record the attention of a text, and begin with a head that is worth a look; a notebook is told how far it is.

        Args:
            text: What to look at; a completion is followed as it was generated. Of one without tokens the panel tells
                what attention is.
            model: A model string, as in `gpt.attention`.
            other: Something of as many tokens to compare with.
            other_model: The model to compare with, on the same tokens or on `other`.
            target: What an encoder-decoder has written so far.
            chat: Whether the text is put to the model as a user's turn.
            add_special_tokens: Whether the tokenizer may put its own tokens around the text.
            **state: What to show at first, such as `layer=1, head=3, view="lines"`.

        Raises:
            InvalidRequest: something makes no sense.
            ModelUnsupported: the model has no attention.
        """
        for name in state:
            if name not in self.initial_state:
                known = ("model", "other", "other_model", "target", "chat", "add_special_tokens", *self.initial_state)
                raise InvalidRequest(unknown_name("option", name, known), param=name)
        options: dict[str, Any] = {"target": target, "chat": chat, "add_special_tokens": add_special_tokens}
        with progress.line() as on_progress:
            options["on_progress"] = on_progress
            self._attention = _recorded(text, model, options)
            self._answers: AttentionAnswers | EmptyAnswers = EmptyAnswers()
            self.other: Attention | None = None
            if self._attention is not None:
                self.other = _compared(text, other, model, other_model, options)
                generated = len(text.prompt_token_ids) if isinstance(text, Completion) else None
                self._answers = AttentionAnswers(self._attention, self.other, generated=generated)
                state = self._beginning(self._attention, state)
        super().__init__(**state)
        asked = state.get("layer", 0), state.get("head", 0)
        if self._attention is not None and self.chosen != asked:
            self.close()
            part = next(each for each in self._attention.parts if each.name == self.state["part"])
            places.head_of(part, *asked)

    @property
    def attention(self) -> Attention:
        """What the panel is of.

        Raises:
            InvalidRequest: the text has no tokens.
        """
        if self._attention is None:
            message = "this panel's text has no tokens, and so no attention: give it a word"
            raise InvalidRequest(message, param="text")
        return self._attention

    @property
    def chosen(self) -> tuple[int, int]:
        """The layer and the head that are looked at."""
        return self.state["layer"], self.state["head"]

    def answering(self) -> object:
        """Return what answers the views; a widget has methods of its own that are called open and close."""
        return self._answers

    def valid(self, key: str, value: Any) -> bool:
        """Return whether a value of the state makes sense."""
        there = None if self._attention is None else is_there(key, value, self._attention, self.other)
        if there is not None:
            return there
        return value in CHOICES[key] if key in CHOICES else super().valid(key, value)

    def fitted(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return a state with what its part of the model lacks replaced."""
        return state if self._attention is None else fitted(state, self._attention, self.other)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Save what was looked at as one page that works offline, and return where it is.

        The page can be played with where this panel has been: it holds the answers that its views got. Of texts of up to
        512 tokens the maps of the chosen head and of those that are kept, small pictures of all heads and their scores are in it in any case.

        Raises:
            GptNotebookError: the model kernel has to be asked for something, and can't be.
            InvalidRequest: there is no such directory.
        """
        from gpt_notebook.widgets import _page

        target = _page.place_for(path)
        answers = self._answers
        ask(answers, "open")
        title = "Attention"
        if isinstance(answers, AttentionAnswers):
            look(answers, self.state)
            title = f"Attention · {self.attention.model}"
        text = _page.page(
            title=title,
            twin=self.twin(),
            state=self.state,
            answers=answers.memory.all(),
            static=STATIC,
            bundle="attention",
        )
        return _page.write(target, text)

    def twin(self) -> str:
        """Return the static twin: the heads worth a look, the chosen one, and the text."""
        answers = self._answers
        if isinstance(answers, EmptyAnswers):
            return empty_twin()
        from gpt_notebook.widgets._twin import attention_twin

        name = self.state["part"]
        with session.starting_none():
            heads = [(each.layer, each.head) for each in answers.ranked(name)]
            part = answers.part(name)
            return attention_twin(self.attention, part, self.chosen, heads, hide_sink=self.state["hide_sink"])

    def __repr__(self) -> str:
        if self._attention is None:
            return "<AttentionPanel no tokens>"
        layer, head = self.chosen
        tokens = counted(len(self._attention.tokens), "token")
        return f"<AttentionPanel {tokens}, layer {layer} head {head}, {visible(self._attention.model)}>"

    def _beginning(self, attention: Attention, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state to begin with: what was asked for, and the head most worth a look."""
        part: Part = state.get("part", attention.parts[0].name)
        if part not in [each.name for each in attention.parts]:
            return {**state}  # which is refused with all that makes no sense
        found = {"part": part, **self._best(part, state), **state}
        for name in ("query", "key"):
            if type(position := found.get(name)) is int and position < 0:
                found[name] = position + most_tokens(attention)
        return found

    def _best(self, part: Part, state: Mapping[str, Any]) -> dict[str, int]:
        """Return the head most worth a look, of the layer or with the number that somebody has named."""
        if not isinstance(self._answers, AttentionAnswers):
            return {}
        for each in self._answers.ranked(part):
            if state.get("layer", each.layer) == each.layer and state.get("head", each.head) == each.head:
                return {"layer": each.layer, "head": each.head}
        return {}


def _recorded(text: str | Completion | Attention, model: Model, options: Mapping[str, Any]) -> Attention | None:
    """Return the attention of something, or None where a text has no tokens."""
    if not isinstance(text, str):
        return _attention(text, model, options)
    if half := re.search("[\ud800-\udfff]", text):
        message = f"the text has {half[0]!r} at {half.start()}, which is half a character: leave it out"
        raise InvalidRequest(message, param="text")
    if not text:
        return None
    try:
        return _attention(text, model, options)
    except InvalidRequest as refusal:
        if refusal.param == "text" and not options["chat"] and not _has_tokens(text, model, options):
            return None
        raise


def _has_tokens(text: str, model: Model, options: Mapping[str, Any]) -> bool:
    """Return whether a tokenizer leaves anything of a text: some drop control characters."""
    special = options["add_special_tokens"]
    request = TokenizeRequest(model=session.resolve(model), text=text, add_special_tokens=special)
    return bool(session.ask(lambda client: client.tokenize(request)))


def _attention(text: str | Completion | Attention, model: Model, options: Mapping[str, Any]) -> Attention:
    """Return the attention of something.

    Raises:
        InvalidRequest: a model for an attention, which has one.
    """
    if not isinstance(text, Attention):
        return functions.attention(text, model=model, **options)
    if model is not None:
        message = f"this attention is of {text.model}: leave out model=, or give the text"
        raise InvalidRequest(message, param="model")
    return text


def _compared(
    text: str | Completion | Attention,
    other: str | Completion | Attention | None,
    model: Model,
    other_model: Model,
    options: Mapping[str, Any],
) -> Attention | None:
    """Return what to compare with: another text, the same in another model, or nothing."""
    if other is not None:
        if not isinstance(other, Attention):
            # Two texts are compared in one model, unless two are named.
            other_model = other_model or model or (None if isinstance(text, str) else text.model)
        return _attention(other, other_model, options)
    if other_model is None:
        return None
    if not isinstance(text, Attention):
        return functions.attention(text, model=other_model, **options)
    name = arguments.local_model(session.resolve(other_model))
    targets = tuple(token.id for token in text.target_tokens)
    token_ids = tuple(token.id for token in text.tokens)
    request = AttentionRequest(model=name, token_ids=token_ids, target_token_ids=targets or None)
    return Attention(KeptAttention.of(request, options["on_progress"]))
