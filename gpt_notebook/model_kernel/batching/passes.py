"""The two kinds of pass: pieces of texts are read, or every running row gets on by a token."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gpt_notebook.model_kernel import linear
from gpt_notebook.model_kernel.adapters.loaded_adapter import LoadedAdapter
from gpt_notebook.model_kernel.attention.calls import Observer
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.batching import one_pass
from gpt_notebook.model_kernel.batching.attending import Piece, Reading, Stepping
from gpt_notebook.model_kernel.batching.slots import Slots
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.threads import sparing


def read(model: LoadedModel, pieces: Sequence[Piece]) -> tuple[torch.Tensor, one_pass.OnePass]:
    """Read pieces of texts; return the logits (piece, vocabulary) after each, and what there was to see in the pass."""
    token_ids: list[int] = []
    positions: list[int] = []
    last: list[int] = []
    adapted: list[tuple[LoadedAdapter, slice]] = []
    for piece in pieces:
        first = len(token_ids)
        token_ids += piece.token_ids
        positions += range(piece.start, piece.start + len(piece.token_ids))
        last.append(len(token_ids) - 1)
        if piece.adapter is not None:
            adapted.append((piece.adapter, slice(first, len(token_ids))))
    at_head = _segments([piece.adapter for piece in pieces], model.device) if model.keeps_logits else adapted
    reading = Reading(pieces)
    names = layout_of(model).names if any(piece.observer for piece in pieces) else None
    with linear.passing(adapted, at_head=at_head):
        logits, seen = one_pass.run(model, reading, token_ids, positions, last, names=names)
    reading.done()
    return logits, seen


def step(
    model: LoadedModel,
    slots: Slots,
    token_ids: Sequence[int],
    *,
    observers: Sequence[Observer | None] = (),
    adapters: Sequence[LoadedAdapter | None] = (),
) -> torch.Tensor:
    """Read one more token of every running row; return the logits (row, vocabulary) after each."""
    stepping = Stepping(slots, observers or [None] * len(slots))
    names = layout_of(model).names if any(observers) else None
    with linear.passing(_segments(adapters, model.device)), sparing():
        logits, _ = one_pass.run(model, stepping, token_ids, slots.lengths, names=names)
    stepping.done()
    return logits


def _segments(
    adapters: Sequence[LoadedAdapter | None], device: torch.device
) -> list[tuple[LoadedAdapter, torch.Tensor]]:
    """Return each adapter with the rows (row,) that it is for."""
    rows: dict[LoadedAdapter, list[int]] = {}
    for row, adapter in enumerate(adapters):
        if adapter is not None:
            rows.setdefault(adapter, []).append(row)
    return [(adapter, torch.tensor(places, device=device)) for adapter, places in rows.items()]
