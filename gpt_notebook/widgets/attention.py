"""`gpt.AttentionPanel`: explore what each head attends to; the twin of `labextension/src/widgets/attention.ts`.

What its views can ask is in `_attention_answers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gpt_notebook import arguments
from gpt_notebook.attention_maps import functions
from gpt_notebook.attention_maps.kept import KeptAttention
from gpt_notebook.attention_maps.maps import Attention
from gpt_notebook.attention_protocol import SCORE_KINDS, AttentionPart, AttentionRequest, Part
from gpt_notebook.completion import Completion
from gpt_notebook.display.quantities import counted
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.session import Model, session
from gpt_notebook.suggestions import unknown_name
from gpt_notebook.visible_text import visible
from gpt_notebook.widgets._attention_answers import AttentionAnswers
from gpt_notebook.widgets._panel import STATIC, Panel
from gpt_notebook.widgets._questions import ask

if TYPE_CHECKING:
    import os

MAX_SAVED = 512
"""A page has the whole map of the chosen head of texts of up to so many tokens."""
SAVED_SIZE = 64
"""Rows and columns of the small pictures in a page, as views ask for them."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "direction": ("to", "by"),
    "view": ("matrix", "lines", "steps"),
    "side": ("", "lens", "ablate", "diff"),
    "score": SCORE_KINDS,
}
"""What those parts of the state can be that are words."""

PAIR = 2


class AttentionPanel(Panel, bundle="attention"):
    """Explore the attention of a text, of a completion with its prompt, or of an `Attention`.

    `state` is what is shown, and can be changed; `chosen` is the head that is looked at, so that
    `panel.attention.map(*panel.chosen)` is its map.
    """

    initial_state: ClassVar[Mapping[str, Any]] = {
        "part": "decoder",
        "layer": 0,
        "head": 0,
        "pinned": None,
        "query": None,
        "key": None,
        "direction": "to",
        "view": "matrix",
        "side": "",
        "score": "previous-token",
        "from": "",
        "to": "",
        "all_heads": False,
        "hide_sink": True,
        "log": False,
        "ablated": [],
    }

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
        """Record the attention of a text, and begin with a head that is worth a look.

        Args:
            text: What to look at; a completion is followed as it was generated.
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
        options = {"target": target, "chat": chat, "add_special_tokens": add_special_tokens}
        self.attention = _attention(text, model, options)
        self.other = _compared(text, other, model, other_model, options)
        generated = len(text.prompt_token_ids) if isinstance(text, Completion) else None
        self._answers = AttentionAnswers(self.attention, self.other, generated=generated)
        part: Part = state.get("part", self.attention.parts[0].name)
        for name in ("query", "key"):
            if type(position := state.get(name)) is int and position < 0:
                state[name] = position + self._most_tokens
        super().__init__(**{"part": part, **self._best(part, state), **state})

    @property
    def chosen(self) -> tuple[int, int]:
        """The layer and the head that are looked at."""
        return self.state["layer"], self.state["head"]

    def answering(self) -> object:
        """Return what answers the views; a widget has methods of its own that are called open and close."""
        return self._answers

    def valid(self, key: str, value: Any) -> bool:
        """Return whether a value of the state makes sense."""
        match key:
            case "part":
                valid = value in {each.name for each in self.attention.parts}
            case "layer" | "head":
                valid = _within(value, self.attention.n_layers if key == "layer" else self.attention.n_heads)
            case "query" | "key":
                valid = value is None or _within(value, self._most_tokens)
            case "pinned":
                pair = (value.get("layer"), value.get("head")) if isinstance(value, Mapping) else None
                valid = value is None or self._is_head(pair)
            case "ablated":
                valid = isinstance(value, list | tuple) and all(self._is_head(each) for each in value)
            case _:
                valid = value in CHOICES[key] if key in CHOICES else super().valid(key, value)
        return valid

    def _is_head(self, pair: Any) -> bool:
        """Return whether something is a pair of a layer and a head."""
        if not isinstance(pair, list | tuple) or len(pair) != PAIR:
            return False
        shown = [each for each in (self.attention, self.other) if each is not None]  # either of them can be pinned
        return _within(pair[0], max(each.n_layers for each in shown)) and _within(
            pair[1], max(each.n_heads for each in shown)
        )

    @property
    def _most_tokens(self) -> int:
        return max(max(each.n_queries, each.n_keys) for each in self.attention.parts)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Save what was looked at as one page that works offline, and return where it is.

        The page can be played with where this panel has been: it holds the answers that its views got. Of texts of up to
        512 tokens the chosen head's map, small pictures of all heads and their scores are in it in any case.

        Raises:
            GptNotebookError: the model kernel has to be asked for something, and can't be.
        """
        from gpt_notebook.widgets._page import page

        answers = self._answers
        ask(answers, "open")
        part = answers.part(self.state["part"])
        if max(part.n_queries, part.n_keys) <= MAX_SAVED:
            self._look(part)
        target = Path(path)
        title = f"Attention · {self.attention.model}"
        text = page(
            title=title,
            twin=self.twin(),
            state=self.state,
            answers=answers.memory.all(),
            static=STATIC,
            bundle="attention",
        )
        target.write_text(text, "utf-8")
        return target

    def _look(self, part: AttentionPart) -> None:
        """Ask what a view asks when it opens."""
        answers, (layer, head) = self._answers, self.chosen
        of: dict[str, Any] = {"which": 0, "part": part.name}
        for hide_sink in (True, False):
            whole = {"queries": [0, part.n_queries], "keys": [0, part.n_keys], "hide_sink": hide_sink}
            ask(answers, "exact", **of, layer=layer, head=head, **whole)
        layers = [layer for layer, heads in enumerate(part.heads) if heads]
        ask(answers, "overview", **of, layers=layers, size=SAVED_SIZE, hide_sink=self.state["hide_sink"])
        if self.state["score"] != "from-to":
            ask(answers, "scores", **of, kind=self.state["score"], queries=[], keys=[])

    def twin(self) -> str:
        """Return the static twin: the heads worth a look, the chosen one, and the text."""
        from gpt_notebook.widgets._twin import attention_twin

        name = self.state["part"]
        with session.starting_none():
            heads = [(each.layer, each.head) for each in self._answers.ranked(name)]
            part = self._answers.part(name)
            return attention_twin(self.attention, part, self.chosen, heads, hide_sink=self.state["hide_sink"])

    def __repr__(self) -> str:
        layer, head = self.chosen
        tokens = counted(len(self.attention.tokens), "token")
        return f"<AttentionPanel {tokens}, layer {layer} head {head}, {visible(self.attention.model)}>"

    def _best(self, part: Part, state: Mapping[str, Any]) -> dict[str, int]:
        """Return the head most worth a look, of the layer or with the number that somebody has named."""
        for each in self._answers.ranked(part):
            if state.get("layer", each.layer) == each.layer and state.get("head", each.head) == each.head:
                return {"layer": each.layer, "head": each.head}
        return {}


def _within(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value < most


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
    return Attention(
        KeptAttention.of(AttentionRequest(model=name, token_ids=token_ids, target_token_ids=targets or None))
    )
