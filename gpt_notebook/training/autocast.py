"""The dtype of products, where it is not that of the weights."""

from __future__ import annotations

import torch


def products_in(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Return the context in which products are computed in a dtype; float32 leaves them as they are."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
