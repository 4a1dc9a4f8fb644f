"""The state of an attention panel: its keys, what they begin with, and which values make sense.

The twin of `labextension/src/widgets/attention/state.ts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from gpt_notebook.attention_protocol import SCORE_KINDS, AttentionPart, Part

if TYPE_CHECKING:
    from gpt_notebook.attention_maps.maps import Attention

INITIAL: Mapping[str, Any] = {
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
    "kept": [],
    "layer_mean": False,
    "shading": False,
}

CHOICES: Mapping[str, tuple[str, ...]] = {
    "part": get_args(Part),
    "direction": ("to", "by"),
    "view": ("matrix", "lines", "steps"),
    "side": ("", "lens", "ablate", "diff"),
    "score": SCORE_KINDS,
}
"""What those parts of the state can be that are words."""

MAX_KEPT = 4
"""Heads whose lines stay while others are chosen: more colours can't be told apart."""

OF_ONE_TEXT = ("previous-token", "induction", "distance")
"""Scores that compare positions of one text, of which cross attention has none."""

PAIR = 2


def is_there(key: str, value: Any, attention: Attention, other: Attention | None) -> bool | None:
    """Return whether a value names what an attention, or the one that it is compared with, has; None: it names nothing."""
    shown = [attention] if other is None else [attention, other]
    found: bool | None = None
    match key:
        case "part":
            found = value in [each.name for each in attention.parts]
        case "layer" | "head":
            found = _within(value, attention.n_layers if key == "layer" else attention.n_heads)
        case "query" | "key":
            found = value is None or _within(value, most_tokens(attention))
        case "pinned":  # either of them can be pinned
            pair = (value.get("layer"), value.get("head")) if isinstance(value, Mapping) else None
            found = value is None or _is_head(pair, shown)
        case "ablated":
            found = _are_heads(value, shown)
        case "kept":
            found = _are_heads(value, [attention]) and len(value) <= MAX_KEPT
    return found


def fitted(state: Mapping[str, Any], attention: Attention, other: Attention | None) -> dict[str, Any]:
    """Return a state with what its part lacks replaced: a layer, a head, a token or a score; the twin of `actions.ts`."""
    part = next((each for each in attention.parts if each.name == state["part"]), attention.parts[0])
    found = {**state, "part": part.name}
    if not _has(part, state["layer"], state["head"]):
        layer = next((layer for layer, count in enumerate(part.heads) if count), 0)
        found |= {"layer": layer, "head": 0}
    pinned = state["pinned"]
    of_other = pinned is not None and pinned.get("which") == 1 and other is not None
    if pinned is not None and not of_other and not _has(part, pinned["layer"], pinned["head"]):
        found["pinned"] = None
    for name, count in (("query", part.n_queries), ("key", part.n_keys)):
        if state[name] is not None and state[name] >= count:
            found[name] = None
    if part.name == "cross" and state["score"] in OF_ONE_TEXT:
        found["score"] = "entropy"
    for name in ("ablated", "kept"):
        found[name] = [pair for pair in state[name] if _has(part, *pair)]
    return found


def _has(part: AttentionPart, layer: int, head: int) -> bool:
    return layer < len(part.heads) and head < part.heads[layer]


def most_tokens(attention: Attention) -> int:
    """Return how many tokens the longest side of a map has."""
    return max(max(each.n_queries, each.n_keys) for each in attention.parts)


def _are_heads(several: Any, shown: Sequence[Attention]) -> bool:
    return isinstance(several, list | tuple) and all(_is_head(each, shown) for each in several)


def _is_head(pair: Any, shown: Sequence[Attention]) -> bool:
    """Return whether something is a pair of a layer and a head."""
    if not isinstance(pair, list | tuple) or len(pair) != PAIR:
        return False
    n_layers, n_heads = max(each.n_layers for each in shown), max(each.n_heads for each in shown)
    return _within(pair[0], n_layers) and _within(pair[1], n_heads)


def _within(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value < most
