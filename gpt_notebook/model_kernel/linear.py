"""The linear layers of a model, made so that they can be told how to multiply: by packed weights, with an adapter a row.

`install` gives every linear layer a `forward` of ours, which does exactly what its own does, to the bit, until its
thread is inside of one of two blocks:

    with passing(adapters):     a pass of the engine: by packed weights, where there are any; to some rows adapters are added
    with adapted(adapter):      one adapter for all rows, and nothing else changed

What an adapter adds to a row x is `scaling * B(A(x))`, computed as peft does: in the adapter's own dtype, and added to
what the layer itself says, whose other rows keep their bits.

GPT-2's activation, which transformers computes in eight operations, is one inside of a pass: the same function, rounded once.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from transformers.activations import NewGELUActivation
from transformers.pytorch_utils import Conv1D

from gpt_notebook.model_kernel import packed
from gpt_notebook.model_kernel.threads import many

if TYPE_CHECKING:
    from gpt_notebook.model_kernel.adapters.loaded_adapter import LoadedAdapter

logger = logging.getLogger(__name__)

Rows = torch.Tensor | slice
"""Which of the rows of a pass: the places of tokens, with all leading dimensions of what a layer reads made one."""


@dataclass(frozen=True, slots=True)
class _Block:
    """What holds inside of a block."""

    packed: bool
    segments: tuple[tuple[LoadedAdapter, Rows], ...] = ()
    at_head: tuple[tuple[LoadedAdapter, Rows], ...] = ()


class _Here(threading.local):
    block: _Block | None = None


_here = _Here()
_PLAIN_PASS = _Block(packed=True)


@contextlib.contextmanager
def passing(
    adapters: Sequence[tuple[LoadedAdapter, Rows]] | None = None,
    *,
    at_head: Sequence[tuple[LoadedAdapter, Rows]] | None = None,
) -> Iterator[None]:
    """Multiply by packed weights inside the block, and add adapters to the rows that they are for.

    Args:
        adapters: which adapter for which rows; no row is named twice, and those of the base not at all.
        at_head: the same for the rows that reach the model's head, where not all of them do; None: all of them do.
    """
    segments = tuple(adapters or ())
    block = _PLAIN_PASS
    if segments:
        block = _Block(packed=True, segments=segments, at_head=segments if at_head is None else tuple(at_head))
    with _inside(block):
        yield


@contextlib.contextmanager
def adapted(adapter: LoadedAdapter | None) -> Iterator[None]:
    """Add an adapter to all rows inside the block; None: nothing."""
    segments = () if adapter is None else ((adapter, slice(None)),)
    with _inside(_Block(packed=False, segments=segments, at_head=segments) if segments else None):
        yield


@contextlib.contextmanager
def _inside(block: _Block | None) -> Iterator[None]:
    before = _here.block
    _here.block = block
    try:
        yield
    finally:
        _here.block = before


class Operator:
    """What a linear layer does; holds its weights and not the layer, which would hold each other for good."""

    __slots__ = ("bias", "is_head", "name", "packed", "size", "weight")

    def __init__(self, name: str, layer: Any, *, is_head: bool) -> None:
        """Take over from a layer, which has this name in its model."""
        self.name = name
        self.weight: torch.Tensor = layer.weight
        self.bias: torch.Tensor | None = layer.bias
        self.size = self.weight.numel() * self.weight.element_size()
        """Bytes of the weights."""
        self.is_head = is_head
        """Whether it makes the logits, for which not all rows may be wanted."""
        self.packed: torch.Tensor | None = None

    @property
    def in_features(self) -> int:
        """The length of a row that it reads."""
        return self.weight.shape[1]

    @property
    def out_features(self) -> int:
        """The length of a row that it gives."""
        return self.weight.shape[0]

    @property
    def matrix(self) -> torch.Tensor | None:
        """Its weights, shape (output feature, input feature), if a product with them is all that it does."""
        return self.weight

    def plain(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layer itself would, to the bit."""
        return functional.linear(x, self.weight, self.bias)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layer gives, shape (…, output feature), for x of shape (…, input feature)."""
        block = _here.block
        if block is None:
            return self.plain(x)
        weights = self.packed if block.packed else None
        if weights is None or x.dtype != self.weight.dtype:
            with many():
                out = self.plain(x)
        else:
            with many(self.size, 2 * x.numel() * self.out_features):
                out = packed.multiply(x, weights, self.bias)
        segments = block.at_head if self.is_head else block.segments
        return self._adapted(x, out, segments) if segments else out

    def _adapted(
        self, x: torch.Tensor, out: torch.Tensor, segments: tuple[tuple[LoadedAdapter, Rows], ...]
    ) -> torch.Tensor:
        """Add what adapters say to their rows of `out`, which nobody else has seen."""
        rows = result = None
        for adapter, where in segments:
            matrices = adapter.matrices.get(self.name)
            if matrices is None:
                continue
            if rows is None or result is None:
                out = out.contiguous()
                rows, result = x.reshape(-1, x.shape[-1]), out.view(-1, out.shape[-1])
            low = functional.linear(rows[where].to(matrices.a.dtype), matrices.a)  # (row, rank)
            result[where] = (result[where] + functional.linear(low, matrices.b) * matrices.scaling).to(out.dtype)
        return out


class Conv1DOperator(Operator):
    """The linear layer of GPT-2 and its like, whose weights have the shape (input feature, output feature)."""

    __slots__ = ()

    @property
    def in_features(self) -> int:
        """The length of a row that it reads."""
        return self.weight.shape[0]

    @property
    def out_features(self) -> int:
        """The length of a row that it gives."""
        return self.weight.shape[1]

    @property
    def matrix(self) -> torch.Tensor | None:
        """Its weights, shape (output feature, input feature)."""
        return self.weight.t()

    def plain(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layer itself would, to the bit."""
        assert self.bias is not None  # noqa: S101 - a Conv1D has one
        product = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
        return product.view(*x.shape[:-1], self.weight.shape[1])


class OwnOperator(Operator):
    """A linear layer that multiplies in a way of its own, which stays as it is."""

    __slots__ = ("_forward", "_layer")

    def __init__(self, name: str, layer: Any, *, is_head: bool) -> None:
        """Take over from a layer."""
        super().__init__(name, layer, is_head=is_head)
        self._forward = type(layer).forward
        self._layer = weakref.ref(layer)

    @property
    def matrix(self) -> torch.Tensor | None:
        """Nothing is known of what it does with its weights."""
        return None

    def plain(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layer itself would."""
        out: torch.Tensor = self._forward(self._layer(), x)
        return out


def install(model: Any) -> None:
    """Give every linear layer of a model, and GPT-2's activation, a `forward` of ours."""
    head = model.get_output_embeddings()
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear | Conv1D):
            # Not by assignment, for which torch looks through what a layer may have.
            vars(layer)["forward"] = _kind(layer)(name, layer, is_head=layer is head)
        elif type(layer) is NewGELUActivation:
            vars(layer)["forward"] = functools.partial(_gelu, layer.forward)


def _gelu(own: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    block = _here.block
    return own(x) if block is None or not block.packed else functional.gelu(x, approximate="tanh")


def _kind(layer: torch.nn.Module) -> type[Operator]:
    forward = type(layer).forward
    if forward is torch.nn.Linear.forward:
        return Operator
    return Conv1DOperator if forward is Conv1D.forward else OwnOperator


def operators(model: Any) -> dict[str, Operator]:
    """Return what the linear layers of a model do, by their names; empty where `install` has not been."""
    found = {name: vars(layer).get("forward") for name, layer in model.named_modules()}
    return {name: operator for name, operator in found.items() if isinstance(operator, Operator)}


# --- packed weights -------------------------------------------------------------------------------------------------


def pack(model: Any, room: int) -> int:
    """Pack the weights of a model's linear layers, all of them or none, and return the bytes that takes.

    Args:
        model: what `install` was given.
        room: the bytes that the copies may take.
    """
    every = [each for each in operators(model).values() if each.matrix is not None and packed.can_pack(each.weight)]
    distinct = {each.weight.data_ptr(): each.weight for each in every}
    taken = sum(weight.numel() * weight.element_size() for weight in distinct.values())
    if taken > room:
        return 0
    copies: dict[int, torch.Tensor] = {}
    try:
        for operator in every:
            place = operator.weight.data_ptr()
            if place not in copies and operator.matrix is not None:
                copies[place] = packed.pack(operator.matrix)
            operator.packed = copies[place]
    except RuntimeError as error:  # The machine has less memory than the budget says, or oneDNN no such order.
        logger.warning("weights stay as they are stored: %s", error)
        unpack(model)
        return 0
    return taken


def unpack(model: Any) -> None:
    """Let the packed copies go; a pass that runs now ends with those it has."""
    for operator in operators(model).values():
        operator.packed = None
