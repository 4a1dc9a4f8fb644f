"""The observer that records the attention of one text, and what it keeps of each layer.

Kept are the queries and keys of every layer in the model's own dtype, and which keys each query could see; never a
map, of which a single layer can be larger than the model. `maps` computes from them what is asked for.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch

from gpt_notebook.attention_protocol import Part, TensorName
from gpt_notebook.model_kernel.attention.calls import AttentionCall

Place = tuple[Part, int]
"""Which kind of attention, in which layer."""

QUERY_AND_KEY: tuple[TensorName, ...] = ("query", "key")
BY_KEY: tuple[TensorName, ...] = ("key", "value")
"""Tensors that have a row for each key; the others have one for each query."""


@dataclass(slots=True)
class Visibility:
    """Which keys a block of queries, those from `start` to `stop`, could see."""

    start: int
    stop: int
    first_key: int
    end_key: int
    causal: bool
    """Whether query i sees the keys up to i only."""
    mask: torch.Tensor | None = None
    """(1 or head, query, key): True where attention is allowed, or a number to add."""
    bias: torch.Tensor | None = None
    """The same shape; added to the scaled scores."""

    def cut(self, length: int) -> Visibility | None:
        """Return the block of the first `length` tokens of a causal text, None if it begins after them."""
        if self.start >= length:
            return None
        cut = copy.copy(self)
        cut.stop, cut.end_key = min(self.stop, length), min(self.end_key, length)
        for name in ("mask", "bias"):
            if (tensor := getattr(self, name)) is not None:
                setattr(cut, name, tensor[:, : cut.stop - self.start, : cut.end_key - self.first_key])
        return cut


@dataclass(slots=True)
class Layer:
    """What was recorded of one layer's attention."""

    tensors: dict[TensorName, torch.Tensor] = field(default_factory=dict)
    """(head, token, dimension) each; keys and values by key head."""
    blocks: list[Visibility] = field(default_factory=list)
    """What the queries could see, block by block: in their order, each of them in one block."""
    scaling: float | None = None
    softcap: float | None = None
    sinks: torch.Tensor | None = None
    """(head,)"""


class Recorder:
    """Observes the attention calls of one text and copies what is wanted of them.

    The text may come in pieces, each call with the keys of all pieces so far or of the last so many.
    """

    def __init__(self, capacity: int, *, keep: Sequence[TensorName] = QUERY_AND_KEY, row: int = 0) -> None:
        """Begin with nothing.

        Args:
            capacity: how many tokens there may be.
            keep: which tensors to copy.
            row: which text of a batch is meant.
        """
        self.layers: dict[Place, Layer] = {}
        self._capacity = capacity
        self._keep = tuple(keep)
        self._row = row

    def attended(self, call: AttentionCall) -> None:
        """Copy what is wanted of a call."""
        layer = self.layers.setdefault((call.part, call.layer), Layer())
        start = layer.blocks[-1].stop if layer.blocks else 0
        n_queries, n_keys = call.query.shape[2], call.key.shape[2]
        stop = start + n_queries
        # In a text that comes in pieces, the newest keys are those of the queries; only they are new.
        new_keys = n_queries if start else n_keys
        end_key = start + new_keys
        layer.scaling, layer.softcap = call.scaling, call.softcap
        if call.sinks is not None:
            layer.sinks = call.sinks.detach().clone()
        for name in self._keep:
            if name in BY_KEY:
                new = getattr(call, name)[self._row, :, n_keys - new_keys :]
            else:
                new = call.query[self._row] if name == "query" else call.output[self._row].transpose(0, 1)
            self._append(layer, name, new, start)
        block = Visibility(start, stop, end_key - n_keys, end_key, call.causal or (start > 0 and call.mask is None))
        block.mask, block.bias = self._of_row(call.mask), self._of_row(call.bias)
        _add(layer.blocks, _simplified(block))

    def _append(self, layer: Layer, name: TensorName, new: torch.Tensor, start: int) -> None:
        """Copy rows (head, token, dimension) behind those that are there."""
        if name not in layer.tensors:
            size = max(self._capacity, new.shape[1]) if start + new.shape[1] < self._capacity else new.shape[1]
            layer.tensors[name] = new.new_empty(new.shape[0], size, new.shape[2])
        layer.tensors[name][:, start : start + new.shape[1]] = new

    def _of_row(self, tensor: torch.Tensor | None) -> torch.Tensor | None:
        return None if tensor is None else tensor[min(self._row, tensor.shape[0] - 1)]

    def fork(self) -> Recorder:
        """Return a copy that goes its own way."""
        return copy.deepcopy(self)

    def back_to(self, length: int) -> None:
        """Forget what was recorded of later tokens of a causal text, such as in a pass that failed on its way."""
        for layer in self.layers.values():
            layer.blocks = [cut for block in layer.blocks if (cut := block.cut(length)) is not None]

    def cut(self, length: int) -> dict[Place, Layer]:
        """Return what was recorded of the first `length` tokens of a causal text, with no more memory than it needs."""
        self.back_to(length)
        for layer in self.layers.values():
            for name, tensor in layer.tensors.items():
                if tensor.shape[1] > length:
                    layer.tensors[name] = tensor[:, :length].clone()
        return self.layers


def _simplified(block: Visibility) -> Visibility:
    """Return the block without a mask that says no more than "causal"."""
    mask = block.mask
    if mask is None or mask.dtype != torch.bool or block.bias is not None:
        return block
    queries = torch.arange(block.start, block.stop, device=mask.device)[:, None]
    keys = torch.arange(block.first_key, block.end_key, device=mask.device)
    if torch.equal(mask, (keys <= queries).expand_as(mask)):
        block.mask, block.causal = None, True
    return block


def _add(blocks: list[Visibility], block: Visibility) -> None:
    """Append a block, or let the last one grow when it says the same of the queries before."""
    last = blocks[-1] if blocks else None
    plain = block.causal and block.mask is None and block.bias is None
    if last is None or not plain or not last.causal or last.mask is not None or last.bias is not None:
        blocks.append(block)
    elif last.first_key == block.first_key:
        last.stop, last.end_key = block.stop, block.end_key
    else:
        blocks.append(block)


def bytes_of(layers: Iterable[Layer]) -> int:
    """Return the memory of recorded layers; what they share counts once."""
    kept = list(layers)
    tensors = itertools.chain(
        (tensor for layer in kept for tensor in layer.tensors.values()),
        (
            tensor
            for layer in kept
            for block in layer.blocks
            for tensor in (block.mask, block.bias)
            if tensor is not None
        ),
    )
    storages = {storage.data_ptr(): storage.nbytes() for storage in (each.untyped_storage() for each in tensors)}
    return sum(storages.values())
