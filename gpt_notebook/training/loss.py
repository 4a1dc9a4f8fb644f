"""The loss of a batch, computed only where a token counts."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from gpt_notebook.training.measures import logits_at
from gpt_notebook.training.samples.collate import IGNORED


def summed(model: Any, batch: dict[str, torch.Tensor], device: torch.device) -> torch.Tensor:
    """Return the sum of the negative natural-log probabilities of a batch's counted tokens, float32.

    Args:
        model: On the device.
        batch: As `collate` makes it, still on the CPU: where the counted tokens are is known there without waiting.
        device: Where to compute.
    """
    targets = functional.pad(batch["labels"][:, 1:], (0, 1), value=IGNORED).flatten()  # (row * token,)
    places = (targets != IGNORED).nonzero()[:, 0]  # (counted,)
    inputs = {name: each.to(device) for name, each in batch.items() if name != "labels"}
    logits = logits_at(model, inputs, places.to(device))  # (counted, vocabulary)
    return functional.cross_entropy(logits.float(), targets[places].to(device), reduction="sum")
