"""Whether what would be shown is what the model computed: a map times the values is the output, logits are its own.

Families differ in more than their names. One reads a layer's attention twice, one lets tokens be seen that are not in
the text, one does something to the scores that a call does not tell. A map of these would look like any other, so it is
held to what came out before it is shown. Knows nothing of models; `probe` tries each with a short text.
"""

from __future__ import annotations

import torch

from gpt_notebook.model_kernel.attention import maps
from gpt_notebook.model_kernel.attention.calls import AttentionCall
from gpt_notebook.model_kernel.attention.recorder import Recorder

TOLERANCE = 1e-3
"""How far the outputs of a head may be from its map times its values, relative to the values, both root mean squares."""
ROUNDINGS = 16
"""The same in roundings of the model's dtype: what rounds its scores moves a map by more than one of them."""
LOGITS_TOLERANCE = 1e-4
"""How far logits may be apart, relative to the largest, in float32; the same sums in another order differ by less."""


def fault_of(call: AttentionCall, n_queries: int, n_keys: int) -> str | None:
    """Return why a call of the first row of a batch cannot be shown as a map of a text, None if it can.

    Args:
        call: one that begins its text.
        n_queries: how many tokens the text has of which the queries are.
        n_keys: how many the one has of which the keys are; the same, but for cross attention.
    """
    n_heads = call.query.shape[1]
    sizes = (call.query.shape[2], call.key.shape[2], call.value.shape[2], *call.output.shape[1:3])
    if sizes != (n_queries, n_keys, n_keys, n_queries, n_heads):
        return f"layer {call.layer} attends to something else than the tokens of the text"
    error = _error(call, n_queries, n_keys)
    if not error <= max(TOLERANCE, ROUNDINGS * torch.finfo(call.output.dtype).eps):
        return f"layer {call.layer} does more than to weigh values"
    return None


def _error(call: AttentionCall, n_queries: int, n_keys: int) -> float:
    """Return how far the outputs of the worst head are from its map times its values, relative to the values."""
    n_heads = call.query.shape[1]
    if call.weights is None:
        recorder = Recorder(n_keys)
        recorder.attended(call)
        recorded = recorder.layers[call.part, call.layer]
        weights = maps.rows(recorded, slice(None), 0, n_queries, n_keys=n_keys)  # (head, query, key)
    else:
        weights = call.weights[0].float()
    values = call.value[0].float()  # (key head, key, value dimension)
    values = values.repeat_interleave(n_heads // values.shape[0], 0)
    outputs = call.output[0].float().transpose(0, 1)  # (head, query, value dimension)
    differences = _root_mean_square(weights @ values - outputs)
    return float((differences / _root_mean_square(values).clamp_min(torch.finfo(torch.float32).tiny)).max())


def _root_mean_square(tensor: torch.Tensor) -> torch.Tensor:
    """Return one number (head,) for each head's rows and dimensions."""
    return tensor.square().mean((1, 2)).sqrt()


def agree(logits: torch.Tensor, own: torch.Tensor, dtype: torch.dtype) -> bool:
    """Return whether logits are the model's own ones but for rounding in its dtype."""
    if logits.shape != own.shape:
        return False
    largest = float(own[own.isfinite()].abs().max()) if own.isfinite().any() else 0.0
    tolerance = max(LOGITS_TOLERANCE, 8 * torch.finfo(dtype).eps) * max(largest, 1.0)
    return torch.allclose(logits, own, rtol=0.0, atol=tolerance)
