"""Copies of weights in the order in which oneDNN reads them fastest.

A matrix as it is stored is read from memory at a half to a fifth of the speed that the memory has. Once it is packed, a
product is faster at every number of rows that was measured. All linear layers of GPT-2 with 124 M parameters on a 2-core
AMD EPYC with AVX512-bf16, with its head for each row up to 64 and for one beyond, in milliseconds, stored / packed:

    rows               1          8         32         64        256        512       1024
    bfloat16    13.7/7.4   15.0/8.6  22.1/15.1  31.7/23.4  64.9/55.9    129/107    240/211
    float32    25.3/13.5  48.5/16.2  80.1/28.4   122/45.2    259/108    493/213    955/416

So there is no number of rows from which the stored weights are the better ones. Packing takes 0.2 s, and the copies as
much memory as the weights of the linear layers; a head that shares its weights with the embedding is packed once. The
results are the same numbers rounded otherwise, and the same ones each time.
"""

from __future__ import annotations

import torch

DTYPES = (torch.float32, torch.bfloat16)
ROWS = 64
"""The number of rows that oneDNN is told to expect: what it packs for 64 is as fast for many as what it packs for 8, and
for one row in float32 a third faster."""


def can_pack(weight: torch.Tensor) -> bool:
    """Whether there is a faster order for these weights on this processor."""
    if weight.device.type != "cpu" or weight.dtype not in DTYPES or not torch._C._has_mkldnn:  # noqa: SLF001 - the same
        return False
    operators = torch.ops.mkldnn
    if not (hasattr(operators, "_reorder_linear_weight") and hasattr(operators, "_linear_pointwise")):
        return False
    return weight.dtype != torch.bfloat16 or bool(operators._is_mkldnn_bf16_supported())  # noqa: SLF001 - torch has no other name


def pack(weight: torch.Tensor) -> torch.Tensor:
    """Return a packed copy of weights of shape (output feature, input feature)."""
    packed: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), ROWS)  # noqa: SLF001
    return packed


def multiply(x: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Return what `torch.nn.functional.linear` returns, up to rounding; x has shape (…, input feature)."""
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")  # noqa: SLF001
    return product
