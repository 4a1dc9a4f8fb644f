"""Attention in tiles of rows, for what torch's own function doesn't know: softcaps and sinks.

The scores of a whole layer never exist at once, so that a long prompt needs no more memory than torch's would.
"""

from __future__ import annotations

import torch

from gpt_notebook.model_kernel.attention.calls import AttentionCall

TILE_ELEMENTS = 2**22
"""Scores that exist at once."""


def attend(call: AttentionCall) -> torch.Tensor:
    """Return the output (batch, query, head, value dimension) of a call.

    The order is that of transformers' eager functions: scale, cap, bias, mask, softmax with sinks, values.
    """
    batch, n_heads, n_queries, _ = call.query.shape
    groups, n_keys = call.key.shape[1], call.key.shape[2]
    output = call.query.new_empty(batch, n_queries, n_heads, call.value.shape[-1])
    rows = max(1, TILE_ELEMENTS // (batch * n_heads * n_keys))
    keys = call.key[:, :, None].transpose(-1, -2)  # (batch, key head, 1, dimension, key)
    values = call.value[:, :, None]
    for start in range(0, n_queries, rows):
        stop = min(start + rows, n_queries)
        query = torch.unflatten(
            call.query[:, :, start:stop], 1, (groups, -1)
        )  # (batch, key head, group, row, dimension)
        scores = (query @ keys).flatten(1, 2).float()  # (batch, head, row, key)
        weights = softmax(finished(scores, call, start, stop), call.sinks).to(call.value.dtype)
        product = torch.unflatten(weights, 1, (groups, -1)) @ values  # (batch, key head, group, row, value dimension)
        output[:, start:stop] = product.flatten(1, 2).transpose(1, 2)
    return output


def finished(scores: torch.Tensor, call: AttentionCall, start: int, stop: int) -> torch.Tensor:
    """Return what goes into the softmax for the queries from `start` to `stop`, from their dot products."""
    if call.scaling is not None:
        scores = scores * call.scaling
    if call.softcap is not None:
        scores = torch.tanh(scores / call.softcap) * call.softcap
    if call.bias is not None:
        scores = scores + call.bias[:, :, start:stop, : scores.shape[-1]]
    if call.mask is not None:
        return masked(scores, call.mask[:, :, start:stop, : scores.shape[-1]])
    if call.causal:
        columns = torch.arange(scores.shape[-1], device=scores.device)
        rows = torch.arange(start, stop, device=scores.device)
        return scores.masked_fill(columns > rows[:, None], -torch.inf)
    return scores


def masked(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return scores with minus infinity where a mask, boolean or additive, forbids attention."""
    if mask.dtype == torch.bool:
        return scores.masked_fill(~mask, -torch.inf)
    # An additive mask forbids by a number that leaves nothing after the softmax; say it as what it means.
    return (scores + mask).masked_fill(mask <= torch.finfo(mask.dtype).min / 2, -torch.inf)


def softmax(scores: torch.Tensor, sinks: torch.Tensor | None) -> torch.Tensor:
    """Return weights over the last axis; sinks (head,), for scores (…, head, row, key), take their share and vanish.

    A row in which nothing is allowed, as padding has them, is all zeros.
    """
    if sinks is None:
        return scores.softmax(-1).nan_to_num_(0.0)
    column = sinks.float()[:, None, None].expand(*scores.shape[:-1], 1)
    return torch.cat([scores, column], -1).softmax(-1)[..., :-1]
