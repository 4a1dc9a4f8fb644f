"""One attention call of one layer, and who may see it. How calls come to be seen is in `watching`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from gpt_notebook.attention_protocol import Part


@dataclass(slots=True)
class AttentionCall:
    """What one layer's attention was given, and what it gave."""

    part: Part
    layer: int
    query: torch.Tensor
    """(batch, head, query, dimension), with rotary positions applied."""
    key: torch.Tensor
    """(batch, key head, key, dimension); cached keys come first."""
    value: torch.Tensor
    """(batch, key head, key, value dimension)."""
    output: torch.Tensor
    """(batch, query, head, value dimension), before the output projection; the query, until it has been computed."""
    scaling: float | None = None
    mask: torch.Tensor | None = None
    """(batch or 1, 1 or head, query, key): True where attention is allowed, or a number to add."""
    bias: torch.Tensor | None = None
    """Added to the scaled scores, in the shape of the mask."""
    causal: bool = False
    """Whether query i sees the keys up to i only, where there is no mask."""
    window: int | None = None
    """How many keys a query sees at most, its own token's included; a mask says so as well, where there is one."""
    softcap: float | None = None
    sinks: torch.Tensor | None = None
    """(head,): a score that takes part in the softmax and attends to nothing."""
    scores: torch.Tensor | None = None
    """(batch, head, query, key), what went into the softmax: of a call that was only seen there, which tells nothing of
    what the scores were made of, from `scaling` to `sinks`."""
    weights: torch.Tensor | None = None
    """(batch, head, query, key), what came out of it; of such a call only."""


class Observer(Protocol):
    """Sees every attention call of a forward pass, in order."""

    def attended(self, call: AttentionCall) -> torch.Tensor | None:
        """Take note of a call; return None, or the output that the model is to go on with."""
        ...
