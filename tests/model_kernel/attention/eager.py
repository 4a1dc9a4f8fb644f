"""What transformers' own eager attention gives for the same files: what our maps are held to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import transformers


def eager(directory: str, auto_class: type, **inputs: torch.Tensor) -> transformers.utils.ModelOutput:
    model = auto_class.from_pretrained(directory, attn_implementation="eager").eval()
    with torch.inference_mode():
        return model(**inputs, output_attentions=True)


def attentions(found: Sequence[torch.Tensor | None], row: int = 0) -> dict[int, np.ndarray]:
    """What transformers gives for a row of a batch, in the layers that have attention."""
    return dict(enumerate(each[row].float().numpy() for each in found if each is not None))


def largest_error(ours: dict[int, np.ndarray], theirs: dict[int, np.ndarray]) -> float:
    assert len(ours) == len(theirs)
    return max(np.abs(one - other).max() for one, other in zip(ours.values(), theirs.values(), strict=True))
