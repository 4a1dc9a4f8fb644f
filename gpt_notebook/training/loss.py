"""The loss of a batch, computed only where a token counts."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch.nn import functional

from gpt_notebook.training.samples.collate import IGNORED


def summed(model: Any, batch: dict[str, torch.Tensor], device: torch.device) -> torch.Tensor:
    """Return the sum of the negative natural-log probabilities of a batch's counted tokens, float32.

    Args:
        model: On the device.
        batch: As `collate` makes it, still on the CPU: where the counted tokens are is known there without waiting.
        device: Where to compute.
    """
    logits, targets = counted_logits(model, batch, device)
    return functional.cross_entropy(logits.float(), targets, reduction="sum")


def counted_logits(
    model: Any, batch: dict[str, torch.Tensor], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits (counted, vocabulary) by which counted tokens are predicted, and the ids (counted,) of those.

    They are in the order of the batch, row by row; see `summed` for the arguments.
    """
    targets = functional.pad(batch["labels"][:, 1:], (0, 1), value=IGNORED).flatten()  # (row * token,)
    places = (targets != IGNORED).nonzero()[:, 0]  # (counted,)
    inputs = {name: tensor.to(device) for name, tensor in batch.items() if name != "labels"}
    return logits_at(model, inputs, places.to(device)), targets[places].to(device)


def logits_at(model: Any, inputs: dict[str, torch.Tensor], places: torch.Tensor) -> torch.Tensor:
    """Return the logits (place, vocabulary) at some places of a batch, counted through all of its rows.

    The model's last product, which is a large part of its work and most of its memory, is spared at all others.
    """
    head = model.get_output_embeddings()
    spared = False

    def only_places(_: Any, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        nonlocal spared
        spared = True
        return (arguments[0].flatten(0, -2)[places][None], *arguments[1:])

    # The hook is on a module that others may use, but not while this pass runs.
    hook = contextlib.nullcontext() if head is None else head.register_forward_pre_hook(only_places)
    with hook:
        logits: torch.Tensor = model(**inputs, use_cache=False).logits.flatten(0, -2)
    return logits if spared else logits[places]
