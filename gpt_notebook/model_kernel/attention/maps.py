"""From recorded queries and keys to attention weights, a strip of rows at a time.

All arithmetic is float32, whatever dtype the model computes in.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from gpt_notebook.attention_protocol import Values
from gpt_notebook.model_kernel.attention import tiled
from gpt_notebook.model_kernel.attention.recorder import Layer, Visibility


def strips(start: int, stop: int, layer: Layer) -> Iterator[tuple[Visibility, int, int]]:
    """Yield the queries from `start` to `stop` block by block."""
    for block in layer.blocks:
        first, last = max(start, block.start), min(stop, block.stop)
        if first < last:
            yield block, first, last


def rows(layer: Layer, heads: slice, start: int, stop: int, *, n_keys: int, values: Values = "weights") -> torch.Tensor:
    """Return rows of some heads' maps.

    Args:
        layer: what was recorded.
        heads: which ones.
        start: the first query.
        stop: the one after the last.
        n_keys: how many keys there are.
        values: weights, or what goes into the softmax.

    Returns:
        float32 (head, query, key).
    """
    device = layer.tensors["query"].device
    nothing = 0.0 if values == "weights" else -torch.inf
    pieces = []
    for block, first, last in strips(start, stop, layer):
        found = _scores(layer, heads, block, first, last)  # (head, query, key of the block)
        if values == "weights":
            found = tiled.softmax(found, None if layer.sinks is None else layer.sinks[heads])
        width = found.shape[-1]
        if block.first_key or width < n_keys:
            full = torch.full((found.shape[0], last - first, n_keys), nothing, device=device)
            full[..., block.first_key : block.first_key + width] = found
            found = full
        pieces.append(found)
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, 1)


def _scores(layer: Layer, heads: slice, block: Visibility, start: int, stop: int) -> torch.Tensor:
    """Return what goes into the softmax for queries inside one block, for the keys that any of them can see."""
    end_key = min(block.end_key, stop) if block.causal else block.end_key
    queries = layer.tensors["query"][heads, start:stop].float()
    keys = _of_heads(layer, heads)[:, block.first_key : end_key].float()
    scores = queries @ keys.transpose(-1, -2)  # (head, query, key)
    if layer.scaling is not None:
        scores *= layer.scaling
    if layer.softcap is not None:
        scores = scores.div_(layer.softcap).tanh_().mul_(layer.softcap)
    within = slice(start - block.start, stop - block.start), slice(0, end_key - block.first_key)
    if block.bias is not None:
        scores += _own(block.bias, heads)[:, *within]
    if block.mask is not None:
        scores = tiled.masked(scores, _own(block.mask, heads)[:, *within])
    if block.causal:
        # Only the keys from the first query on can be hidden from some of them.
        queried = torch.arange(start, stop, device=scores.device)[:, None]
        later = torch.arange(max(start, block.first_key), end_key, device=scores.device)
        if later.numel():
            scores[..., -later.numel() :].masked_fill_(later > queried, -torch.inf)
    return scores


def _of_heads(layer: Layer, heads: slice) -> torch.Tensor:
    """Return the keys (head, key, dimension) that some heads use, which several may share."""
    n_heads, keys = layer.tensors["query"].shape[0], layer.tensors["key"]
    group = n_heads // keys.shape[0]
    first, stop, _ = heads.indices(n_heads)
    if group == 1:
        return keys[heads]
    if stop - first == 1:
        return keys[first // group : first // group + 1]
    return keys[torch.arange(first, stop, device=keys.device) // group]


def _own(tensor: torch.Tensor, heads: slice) -> torch.Tensor:
    """Return the part of a mask or bias (1 or head, query, key) that belongs to some heads."""
    return tensor if tensor.shape[0] == 1 else tensor[heads]
