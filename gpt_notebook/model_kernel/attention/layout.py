"""Which module of a model is which layer's attention, and in which way its calls can be seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpt_notebook.attention_protocol import Part

CROSS = re.compile(r"encoder_attn|EncDecAttention|cross_?att", re.IGNORECASE)


class ModuleNames:
    """The names of a model's modules, which tell the places of those that are attention."""

    def __init__(self, module: Any, main: Part) -> None:
        """Read them."""
        self.main: Part = main
        """The kind of attention that a model with one kind has."""
        self._both_halves = bool(getattr(module.config, "is_encoder_decoder", False))
        self._names = {id(each): name for name, each in module.named_modules()}

    def place(self, module: Any) -> tuple[Part, int]:
        """Return which kind of attention a module is and in which layer, from its dotted name."""
        name = self._names.get(id(module), "")
        layer = next((int(piece) for piece in name.split(".") if piece.isdigit()), 0)
        if not self._both_halves:
            return self.main, layer
        if CROSS.search(name):
            return "cross", layer
        return ("encoder" if "encoder" in name.split(".") else "decoder"), layer


@dataclass(frozen=True)
class Heads:
    """The heads of one kind of attention; each dictionary has an entry for each layer that has attention."""

    count: dict[int, int] = field(default_factory=dict)
    key_count: dict[int, int] = field(default_factory=dict)
    dimension: dict[int, int] = field(default_factory=dict)
    """Of a query or key."""
    scaling: dict[int, float | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What has been found out about the attention of one model."""

    names: ModuleNames
    parts: Mapping[Part, Heads]
    n_layers: int
    """Those without attention included; of an encoder-decoder, in the half that has more."""
    tapped: bool
    """Whether the calls bypass transformers' `AttentionInterface`."""
    in_pieces: bool
    """Whether a text may be read piece by piece, each piece seeing the cache of those before."""
    recordable: bool
    """Whether calls tell all that their weights are made of, so that queries and keys are enough."""

    def layers(self, part: Part) -> int:
        """Return how many layers a table by layer has, those of a decoder by itself without attention included."""
        return self.n_layers if set(self.parts) == {"decoder"} else max(self.parts[part].count) + 1
