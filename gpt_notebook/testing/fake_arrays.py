"""The fake engine's answers to requests for arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gpt_notebook.attention_protocol import ArrayRequest, MapRequest, OverviewRequest, TensorRequest
from gpt_notebook.testing.fake_attention import FakeAttention, overview
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
    whole = attention.raw_scores if request.values == "raw_scores" else _weights(attention, request)
    return whole(layer, head)[_rectangle(attention, request)]


def _overview(attention: FakeAttention, request: OverviewRequest) -> Array:
    """Return the reduced maps (layer, head, row, column)."""
    import numpy as np

    layers = range(attention.n_layers) if request.layers is None else request.layers
    heads = range(attention.n_heads) if request.heads is None else request.heads
    rectangle, weights = _rectangle(attention, request), _weights(attention, request)
    return np.array(
        [
            [
                overview(weights(layer, head)[rectangle], size=request.size, reduction=request.reduction)
                for head in (checked("head", head, attention.n_heads) for head in heads)
            ]
            for layer in (checked("layer", layer, attention.n_layers) for layer in layers)
        ]
    )


def _weights(attention: FakeAttention, request: MapRequest | OverviewRequest) -> Callable[[int, int], Array]:
    return attention.without_sink if request.hide_sink else attention.weights


def _rectangle(attention: FakeAttention, request: MapRequest | OverviewRequest) -> tuple[slice, slice]:
    """Return the queries and keys that are asked for."""
    count = len(attention)
    return checked_interval("queries", request.queries, count), checked_interval("keys", request.keys, count)


def _tensor(attention: FakeAttention, request: TensorRequest) -> Array:
    """Return a tensor (token, dimension)."""
    if request.head is None:
        return attention.tensor("hidden", checked("layer", request.layer, attention.n_layers + 1), 0)
    layer = checked("layer", request.layer, attention.n_layers)
    return attention.tensor(request.name, layer, checked("head", request.head, attention.n_heads))
