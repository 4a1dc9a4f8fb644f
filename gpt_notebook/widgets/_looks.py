"""What a page has in any case, whether somebody looked at it or not: the panel's first sight.

It is asked for as the views of `labextension/src/widgets/attention/` ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gpt_notebook.widgets._attention_state import OF_ONE_TEXT
from gpt_notebook.widgets._questions import ask

if TYPE_CHECKING:
    from gpt_notebook.attention_protocol import AttentionPart
    from gpt_notebook.widgets._attention_answers import AttentionAnswers

MAX_SAVED = 512
"""A page has the whole map of the chosen head, and of those that are kept, of texts of up to so many tokens."""
SAVED_SIZE = 64
"""Rows and columns of the small pictures in a page: they stand for those of all heads, and of the dozen that matter."""


def look(answers: AttentionAnswers, state: Mapping[str, Any]) -> None:
    """Ask for what a view of this state shows at first."""
    part = answers.part(state["part"])
    if max(part.n_queries, part.n_keys) > MAX_SAVED:
        return
    of: dict[str, Any] = {"which": 0, "part": part.name}
    chosen = (state["layer"], state["head"])
    for layer, head in dict.fromkeys([chosen, *map(tuple, state["kept"])]):
        if layer < len(part.heads) and head < part.heads[layer]:
            for hide_sink in (True, False):
                whole = {"queries": [0, part.n_queries], "keys": [0, part.n_keys], "hide_sink": hide_sink}
                ask(answers, "exact", **of, layer=layer, head=head, **whole)
    if state["layer_mean"]:
        _look_at_a_layer(answers, of, part, state)
    layers = [layer for layer, heads in enumerate(part.heads) if heads]
    ask(answers, "overview", **of, layers=layers, size=SAVED_SIZE, hide_sink=state["hide_sink"])
    if state["score"] != "from-to" and not (part.name == "cross" and state["score"] in OF_ONE_TEXT):
        ask(answers, "scores", **of, kind=state["score"], queries=[], keys=[])


def _look_at_a_layer(
    answers: AttentionAnswers, of: Mapping[str, Any], part: AttentionPart, state: Mapping[str, Any]
) -> None:
    """Ask for the chosen token's weights in all heads of the layer, of which the mean is shown."""
    layer = state["layer"]
    heads = [[layer, head] for head in range(part.heads[layer])]
    if not heads:
        return
    if state["direction"] == "to":
        ask(answers, "rows", **of, heads=heads, query=_position(state["query"], part.n_queries))
        return
    key = _position(state["key"], part.n_keys)
    if not state["hide_sink"]:
        ask(answers, "columns", **of, heads=heads, key=key)
        return
    for _, head in heads:
        column: Mapping[str, Sequence[int]] = {"queries": [0, part.n_queries], "keys": [key, key + 1]}
        ask(answers, "exact", **of, layer=layer, head=head, **column, hide_sink=True)


def _position(chosen: int | None, length: int) -> int:
    """Return the chosen position, or the last where none is chosen."""
    return length - 1 if chosen is None else min(chosen, length - 1)
