"""The state of an attention panel: its keys, what they begin with, and which values make sense.

The twin of `labextension/src/widgets/attention/state.ts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from gpt_notebook.attention_protocol import SCORE_KINDS, Part

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

PAIR = 2


def is_there(key: str, value: Any, attention: Attention, other: Attention | None) -> bool | None:
    """Return whether a value names what an attention, or the one that it is compared with, has; None: it names nothing."""
    shown = [attention] if other is None else [attention, other]
    found: bool | None = None
    match key:
        case "part":
            found = value in {each.name for each in attention.parts}
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
