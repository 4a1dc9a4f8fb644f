"""Which module of a model is which layer's attention, and in which way its calls can be seen."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from gpt_notebook.attention_protocol import Part

CROSS = re.compile(r"encoder_attn|EncDecAttention|cross_?att", re.IGNORECASE)


@dataclass
class Heads:
    """The heads of one kind of attention; each dictionary has an entry for each layer that has attention."""

    count: dict[int, int] = field(default_factory=dict)
    key_count: dict[int, int] = field(default_factory=dict)
    dimension: dict[int, int] = field(default_factory=dict)
    """Of a query or key."""
    scaling: dict[int, float | None] = field(default_factory=dict)


class Layout:
    """The places of one model's attention modules, and what is known of their heads."""

    def __init__(self, module: Any, main: Part, *, tapped: bool = False) -> None:
        """Read the names of the modules."""
        self.main: Part = main
        """The kind of attention that a model with one kind has."""
        self._both = bool(getattr(module.config, "is_encoder_decoder", False))
        self._names = {id(each): name for name, each in module.named_modules()}
        self.tapped = tapped
        """Whether the calls pass by transformers' `AttentionInterface`."""
        self.in_pieces = False
        """Whether a text may be read piece by piece, each piece seeing the cache of those before."""
        self.recordable = True
        """Whether calls tell all that their weights are made of, so that queries and keys are enough."""
        self.parts: dict[Part, Heads] = {}
        self.n_layers = 0

    def layers(self, part: Part) -> int:
        """Return how many layers a table by layer has, those without attention included."""
        return max(self.parts[part].count) + 1 if part == "encoder" else self.n_layers

    def place(self, module: Any) -> tuple[Part, int]:
        """Return which kind of attention a module is and in which layer, from its dotted name."""
        name = self._names.get(id(module), "")
        layer = next((int(piece) for piece in name.split(".") if piece.isdigit()), 0)
        if not self._both:
            return self.main, layer
        if CROSS.search(name):
            return "cross", layer
        return ("encoder" if "encoder" in name.split(".") else "decoder"), layer


def keeps_keys_only(cache: Any) -> bool:
    """Whether what a model remembers is keys and values and nothing recurrent, which would have to be carried exactly."""
    return type(cache) is DynamicCache and all(
        type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers
    )
