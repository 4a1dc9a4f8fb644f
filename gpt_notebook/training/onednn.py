"""Products of a training through oneDNN, forward and backward.

On a CPU torch multiplies float32 matrices with MKL, which leaves half of an AMD processor unused; oneDNN, which torch has
for other purposes, uses all of it. Measured on two cores of an AMD EPYC with AVX512, in GFLOP/s, for 512 rows:

    features          768 to 768    768 to 3072    768 to 50257
    MKL                      150            170             140
    oneDNN                   400            410             300
    … backward, MKL          180            180             180
    … backward, oneDNN       370            420             320

So linear layers get a forward of their own, also those of peft that have an adapter, whose narrow products gain most. The
numbers are the same but for rounding, and always the same ones. The weights stay where they are, as they are.
"""

from __future__ import annotations

import functools
import platform
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as AdaptedLinear
from torch import nn
from torch.nn import functional
from transformers.activations import GELUTanh, NewGELUActivation
from transformers.pytorch_utils import Conv1D

from gpt_notebook.training.samples.collate import IGNORED

DTYPES = (torch.float32, torch.bfloat16)


def can_be_faster(device: torch.device) -> bool:
    """Whether products go through oneDNN on this device: decided by what it is, so that every attempt decides alike."""
    return (
        device.type == "cpu"
        and platform.machine() in ("x86_64", "AMD64")
        and torch._C._has_mkldnn  # noqa: SLF001 - the same
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def install(model: nn.Module) -> None:
    """Have a model's linear layers compute with oneDNN, and GPT-2's activation in one go instead of eight."""
    for module in list(model.modules()):
        if type(module) is AdaptedLinear:
            module.forward = functools.partial(_adapted, module, module.forward)
        elif type(module) in (nn.Linear, Conv1D):
            module.forward = functools.partial(_linear, module, module.forward)
        for name, child in module.named_children():
            if type(child) is NewGELUActivation:
                setattr(module, name, GELUTanh())


def of_few_sizes(batch: dict[str, torch.Tensor], *, pad_id: int, longest: int) -> dict[str, torch.Tensor]:
    """Return a batch with a few tokens more that nobody sees and that don't count, so that few sizes of it occur.

    oneDNN makes a program for each size of a product and keeps about a thousand, half a megabyte each. There are eight
    sizes between a number of tokens and its double, which adds a sixteenth on average.

    Args:
        batch: As `collate` makes it.
        pad_id: The token to add.
        longest: The most tokens that the model reads; 0: no limit is known.
    """
    length = batch["input_ids"].shape[1]
    part = 1 << max(length.bit_length() - 4, 0)
    more = -length % part
    if not more or (longest and "attention_mask" in batch and length + more > longest):
        return batch
    # Packed samples are told apart by positions that begin again, and this is one more.
    added = {"input_ids": pad_id, "labels": IGNORED, "attention_mask": 0, "position_ids": 0}
    rounded = {name: functional.pad(each, (0, more), value=added[name]) for name, each in batch.items()}
    if "position_ids" in batch:
        rounded["position_ids"][:, length:] = torch.arange(more)
    return rounded


def multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return what `torch.nn.functional.linear` returns, up to rounding; the weight may be a transposed view."""
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # noqa: SLF001
    return product


class Product(torch.autograd.Function):
    """`x @ weight.T + bias`, where the weight is stored as `(output feature, input feature)` or the other way round."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        is_transposed: bool,  # noqa: FBT001
    ) -> torch.Tensor:
        """Return the product, `(row, output feature)`, in the dtype of x, `(row, input feature)`."""
        own = weight.to(x.dtype)
        ctx.is_transposed, ctx.dtype = is_transposed, weight.dtype
        ctx.save_for_backward(x if weight.requires_grad else None, own)
        return multiply(x, own.t() if is_transposed else own, None if bias is None else bias.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of x, the weight and the bias."""
        x, weight = ctx.saved_tensors
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = multiply(gradient, weight if ctx.is_transposed else weight.t())
        if ctx.needs_input_grad[1]:
            sides = (x.t(), gradient.t()) if ctx.is_transposed else (gradient.t(), x.t())
            of_weight = multiply(*sides).to(ctx.dtype)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(0, dtype=torch.float32).to(ctx.dtype)
        return of_x, of_weight, of_bias, None


class LowRank(torch.autograd.Function):
    """`y + scale * x @ a.T @ b.T`, where y is changed in place."""

    @staticmethod
    def forward(  # noqa: PLR0917 - torch gives them so
        ctx: Any, y: torch.Tensor, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Return y, `(row, output feature)`, for x, `(row, input feature)`, a, `(rank, input feature)`, and b."""
        narrow_a, scaled_b = a.to(x.dtype), (b * scale).to(x.dtype)
        inner = multiply(x, narrow_a)  # (row, rank)
        ctx.scale, ctx.dtype = scale, a.dtype
        ctx.save_for_backward(x, inner, narrow_a, scaled_b)
        ctx.mark_dirty(y)
        return y.add_(multiply(inner, scaled_b))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of y, x, a and b."""
        x, inner, a, b = ctx.saved_tensors
        of_inner = multiply(gradient, b.t())  # (row, rank)
        of_x = multiply(of_inner, a.t()) if ctx.needs_input_grad[1] else None
        of_a = multiply(of_inner.t(), x.t()).to(ctx.dtype)
        # The narrow side first: oneDNN is ten times as fast then.
        of_b = multiply(inner.t(), gradient.t()).t().to(ctx.dtype).mul(ctx.scale)
        return gradient, of_x, of_a, of_b, None


def _linear(module: Any, otherwise: Any, x: torch.Tensor) -> torch.Tensor:
    """Return what a linear layer returns."""
    dtype = _dtype(x)
    # Weights that change are float32: autocast rounds them once a step, and torch's own bfloat16 goes through oneDNN, too.
    rounds_weights = dtype == torch.bfloat16 and module.weight.requires_grad
    if dtype not in DTYPES or x.device.type != "cpu" or x.numel() == 0 or rounds_weights:
        return otherwise(x)  # type: ignore[no-any-return]
    rows = x.to(dtype).flatten(0, -2) if x.dim() > 1 else x.to(dtype)[None]
    product = Product.apply(rows, module.weight, module.bias, isinstance(module, Conv1D))  # type: ignore[no-untyped-call]
    return product.unflatten(0, x.shape[:-1]) if x.dim() > 1 else product[0]  # type: ignore[no-any-return]


def _adapted(module: Any, otherwise: Any, x: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
    """Return what a linear layer with one plain adapter returns; everything else is peft's own to do."""
    names = module.active_adapters
    plain = (
        not (arguments or options or module.disable_adapters or module.merged)
        and len(names) == 1
        and names[0] in module.lora_A
        and names[0] not in module.lora_variant
        and not module.lora_bias[names[0]]
    )
    dtype = _dtype(x)
    if not plain or dtype not in DTYPES or x.device.type != "cpu" or x.numel() == 0:
        return otherwise(x, *arguments, **options)  # type: ignore[no-any-return]
    (name,) = names
    result = module.base_layer(x)
    rows = module.lora_dropout[name](x.to(dtype)).flatten(0, -2)
    a, b, scale = module.lora_A[name].weight, module.lora_B[name].weight, module.scaling[name]
    return LowRank.apply(result.flatten(0, -2), rows, a, b, scale).view(result.shape)  # type: ignore[no-any-return, no-untyped-call]


def _dtype(x: torch.Tensor) -> torch.dtype:
    """Return in which dtype a product with x is computed here."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
