"""The attention of one text in one model: what was recorded of it, what it is called, what people want to know of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

import torch

from gpt_notebook.attention_protocol import AttentionInfo, AttentionPart, Part, TensorName
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.recorder import Layer, Place, bytes_of
from gpt_notebook.model_kernel.text import Vocabulary

TOKEN_BYTES = 64
"""What a token's id takes, about; where nothing else is kept, it is what there is to count."""


@dataclass(frozen=True)
class Text:
    """What a capture is of: the tokens that the model reads."""

    token_ids: tuple[int, ...]
    target_ids: tuple[int, ...] = ()
    """For an encoder-decoder: what it has written, its start token first."""

    def length(self, part: Part, *, keys: bool) -> int:
        """Return how many queries or keys a kind of attention has."""
        of_target = bool(self.target_ids) and (part == "decoder" or (part == "cross" and not keys))
        return len(self.target_ids if of_target else self.token_ids)


@dataclass(eq=False)
class Capture:
    """The attention of one text in one model."""

    model: str
    fingerprint: str
    text: Text
    layout: Layout
    layers: dict[Place, Layer] = field(default_factory=dict)
    """Queries and keys; empty for a family of which only the weights can be seen."""
    extras: dict[TensorName, dict[Place, Layer]] = field(default_factory=dict)
    """Other tensors that somebody asked for."""
    tapped: dict[tuple[str, int], torch.Tensor] = field(default_factory=dict)
    """The last layers that were seen of such a family, (head, query, key) each."""
    brief: bool = False
    """Whether it is not expected to be asked much; it is the first to leave when room is needed."""

    @property
    def id(self) -> str:
        """What it is called: the same for the same weights and tokens."""
        return identify(self.fingerprint, self.model, self.text)

    def forget_extras(self) -> None:
        """Keep only what was recorded in the first place; whoever is at work with the rest keeps it until its end."""
        self.extras, self.tapped = {}, {}

    @property
    def bytes(self) -> int:
        """The memory that it takes."""
        # Another question may be adding to them at this moment.
        extras = (layer for layers in list(self.extras.values()) for layer in layers.values())
        tapped = sum(each.numel() * each.element_size() for each in self.tapped.values())
        ids = 0 if self.layers else TOKEN_BYTES * len(self.text.token_ids)
        return bytes_of([*self.layers.values(), *extras]) + tapped + ids

    def info(self, vocabulary: Vocabulary, *, causal: bool) -> AttentionInfo:
        """Return what people want to know of it.

        Args:
            vocabulary: the model's.
            causal: whether the model predicts the next token.
        """
        return AttentionInfo(
            id=self.id,
            model=self.model,
            fingerprint=self.fingerprint,
            tokens=tuple(vocabulary.tokens(self.text.token_ids)),
            target_tokens=tuple(vocabulary.tokens(self.text.target_ids)) if self.text.target_ids else (),
            n_layers=self.layout.n_layers,
            n_heads=max(count for heads in self.layout.parts.values() for count in heads.count.values()),
            parts=tuple(self._part(name) for name in self.layout.parts),
            causal=causal,
            bytes=self.bytes,
        )

    def _part(self, name: Part) -> AttentionPart:
        heads, layers = self.layout.parts[name], range(self.layout.layers(name))
        return AttentionPart(
            name=name,
            heads=tuple(heads.count.get(layer, 0) for layer in layers),
            key_heads=tuple(heads.key_count.get(layer, 0) for layer in layers),
            scaling=tuple(heads.scaling.get(layer) for layer in layers),
            n_queries=self.text.length(name, keys=False),
            n_keys=self.text.length(name, keys=True),
        )


def identify(fingerprint: str, model: str, text: Text) -> str:
    """Return the id of an attention."""
    named = json.dumps([fingerprint, model, text.token_ids, text.target_ids])
    return f"att-{hashlib.sha256(named.encode()).hexdigest()[:24]}"
