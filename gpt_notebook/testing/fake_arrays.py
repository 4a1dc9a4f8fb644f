"""The fake engine's answers to requests for arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpt_notebook.attention_protocol import ArrayRequest, MapRequest, OverviewRequest, TensorRequest
from gpt_notebook.testing.fake_attention import FakeAttention
from gpt_notebook.testing.fake_ranges import checked, checked_interval

if TYPE_CHECKING:
    from gpt_notebook.testing.fake_attention import Array, Array32


def array_of(attention: FakeAttention, request: ArrayRequest) -> Array32:
    """Return the array that is asked for.

    Raises:
        InvalidRequest: a layer, head or position isn't there.
    """
    import numpy as np

    match request:
        case MapRequest():
            array = _map(attention, request)
        case OverviewRequest():
            array = _overview(attention, request)
        case TensorRequest():
            array = _tensor(attention, request)
    return np.ascontiguousarray(array, "<f4")


def _map(attention: FakeAttention, request: MapRequest) -> Array:
    """Return a rectangle (query, key)."""
    layer = checked("layer", request.layer, attention.n_layers)
    head = checked("head", request.head, attention.n_heads)
    queries = checked_interval("queries", request.queries, len(attention))
    keys = checked_interval("keys", request.keys, len(attention))
    whole = attention.weights if request.values == "weights" else attention.raw_scores
    return whole(layer, head)[queries, keys]


def _overview(attention: FakeAttention, request: OverviewRequest) -> Array:
    """Return the reduced maps (layer, head, row, column)."""
    import numpy as np

    size = min(request.size, len(attention))
    layers = range(attention.n_layers) if request.layers is None else request.layers
    maps = [
        attention.overview(layer, head, size=size, reduction=request.reduction)
        for layer in (checked("layer", layer, attention.n_layers) for layer in layers)
        for head in range(attention.n_heads)
    ]
    return np.array(maps).reshape(len(layers), attention.n_heads, size, size)


def _tensor(attention: FakeAttention, request: TensorRequest) -> Array:
    """Return a tensor (token, dimension)."""
    if request.head is None:
        return attention.tensor("hidden", checked("layer", request.layer, attention.n_layers + 1), 0)
    layer = checked("layer", request.layer, attention.n_layers)
    return attention.tensor(request.name, layer, checked("head", request.head, attention.n_heads))
