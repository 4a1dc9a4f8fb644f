"""A step of training without numbers: what it would hold in memory, and how much it would compute.

torch can compute with tensors that have a shape and a place but no content. So a model is made from its config, given
its adapter, and run forward and backward, while every tensor is counted as it comes and goes. That takes the time of a
few thousand small calls, no memory, and knows of each family what it keeps for the backward pass.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode  # the only name it has
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary
from transformers.pytorch_utils import Conv1D

from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.training.autocast import products_in
from gpt_notebook.training.loss import logits_at
from gpt_notebook.training.planning import lora_layers

logger = logging.getLogger(__name__)
# What torch can't rehearse is said here, in one line and not in twenty.
logging.getLogger(FakeTensorMode.__module__).setLevel(logging.CRITICAL)

KEPT = 34
"""Bytes that a layer keeps for each token and each number of its width, in half precision and with attention that keeps no
maps (Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models", eq. 1)."""
LOGITS = 3 * 4
"""Bytes that a logit takes where the loss is computed: itself, its log-probability and its gradient, float32."""
CALLS = 200
"""Of torch, for a layer forward and backward, where they can't be counted."""


@dataclass(frozen=True)
class Rehearsal:
    """What a training takes, as far as a config tells."""

    parameters: int
    trainable: int
    weights: int
    """Bytes of all parameters."""
    gradients: int
    """Bytes of the gradients."""
    activations: int
    """Bytes that a pass forward and backward holds beside both."""
    operations: float
    """Floating-point operations of that pass."""
    calls: int
    """Calls of torch in it, each of which takes its time whatever it computes."""
    written: int
    """Bytes of all tensors that come up in it, each of which is written and read."""


def rehearse(
    config: Any, options: JobOptions, *, dtype: torch.dtype, shape: tuple[int, int], counted: int
) -> Rehearsal:
    """Return what a pass forward and backward would take.

    Args:
        config: The model's.
        options: Whether an adapter is trained, and which, and whether activations are computed again.
        dtype: Of the products. Weights that change are float32 whatever it is.
        shape: Samples that are computed together, and the tokens of each.
        counted: How many of all these tokens count in the loss.
    """
    with FakeTensorMode():
        model = transformers.AutoModelForCausalLM.from_config(config).train()
        model.requires_grad_(requires_grad=options.method == "full")
        if options.method == "lora":
            _store(model, dtype)
            _add_adapter(model, options)
        parameters = list(model.parameters())
        changing = [parameter for parameter in parameters if parameter.requires_grad]
        gradients = sum(parameter.nbytes for parameter in changing)
        try:
            cost = _pass(model, dtype, shape, counted)
        except Exception as error:  # noqa: BLE001 - such as experts that are chosen by numbers
            logger.info("%s is estimated by its sizes: %s", config.model_type, str(error)[:200])
            cost = _guessed(model, config, options, dtype, shape)
        if options.gradient_checkpointing:
            cost = _computed_again(cost, config, options, dtype=dtype, shape=shape, counted=counted)
    largest = max((parameter.nbytes for parameter in changing), default=0)
    return Rehearsal(
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in changing),
        weights=sum(parameter.nbytes for parameter in parameters),
        gradients=gradients,
        # Gradients come while activations go. What is there last is what the optimizer computes of its largest parameter.
        activations=max(cost.peak - gradients, 2 * largest),
        operations=cost.operations,
        calls=cost.calls,
        written=cost.written,
    )


@dataclass(frozen=True)
class _Cost:
    """What a pass forward and backward takes."""

    peak: int
    """Bytes, gradients included."""
    kept: int
    """Bytes that are there between forward and backward."""
    operations: float
    calls: int
    written: int


def _pass(model: Any, dtype: torch.dtype, shape: tuple[int, int], counted: int) -> _Cost:
    standing = [*model.parameters(), *model.buffers()]
    with _Held(beside=standing) as held, FlopCounterMode(display=False) as flops:
        with products_in(dtype, torch.device("cpu")):
            ids = torch.zeros(shape, dtype=torch.long)
            places = torch.arange(max(min(counted, ids.numel()), 1))
            logits = logits_at(model, {"input_ids": ids}, places)
            loss = functional.cross_entropy(logits.float(), places)
        del logits
        kept = held.now
        loss.backward()  # type: ignore[no-untyped-call]
    return _Cost(held.peak, kept, float(flops.get_total_flops()), held.calls, held.written)


def _computed_again(
    cost: _Cost, config: Any, options: JobOptions, *, dtype: torch.dtype, shape: tuple[int, int], counted: int
) -> _Cost:
    """Return what a pass takes that keeps each layer's input only, and computes a layer again for its backward pass."""
    text = config.get_text_config()
    inputs = shape[0] * shape[1] * text.hidden_size * dtype.itemsize * text.num_hidden_layers
    logits = LOGITS * counted * text.vocab_size
    layer = max(cost.kept - logits, 0) // text.num_hidden_layers
    again = 1 + 1 / (3 if options.method == "full" else 2)
    return _Cost(
        peak=min(inputs + max(layer, logits), cost.peak),
        kept=inputs,
        operations=again * cost.operations,
        calls=round(again * cost.calls),
        written=round(again * cost.written),
    )


class _Held(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that have been made within it and are still there."""

    def __init__(self, *, beside: Iterable[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self.calls = self.written = 0
        self.now = 0
        self._storages = WeakIdKeyDictionary()
        for tensor in beside:
            self._storages[tensor.untyped_storage()] = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.namespace == "aten":
            self.calls += 1
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage not in self._storages:
                    self._storages[storage] = True
                    self.now += storage.nbytes()
                    self.written += storage.nbytes()
                    weakref.finalize(storage, self._gone, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return result

    def _gone(self, count: int) -> None:
        self.now -= count


class _Adapted(nn.Module):
    """A linear layer with a low-rank adapter, which peft would compute so."""

    def __init__(self, layer: Any, rank: int, dropout: float) -> None:
        super().__init__()
        self.layer = layer
        n_in, n_out = layer.weight.shape if isinstance(layer, Conv1D) else layer.weight.shape[::-1]
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.a, self.b = nn.Linear(n_in, rank, bias=False), nn.Linear(rank, n_out, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layer(x)
        added: torch.Tensor = self.b(self.a(self.dropout(x.to(self.a.weight.dtype))))
        return result + added


def _store(model: Any, dtype: torch.dtype) -> None:
    """Give a model frozen weights of another dtype, those that it shares between layers once."""
    stored = {
        parameter: nn.Parameter(torch.empty(parameter.shape, dtype=dtype), requires_grad=False)
        for parameter in model.parameters()
    }
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, stored.get(parameter, parameter))


def _add_adapter(model: Any, options: JobOptions) -> None:
    for name, layer in lora_layers.targeted(model, options.lora.targets).items():
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, _Adapted(layer, options.lora.rank, options.lora.dropout))


def _guessed(model: Any, config: Any, options: JobOptions, dtype: torch.dtype, shape: tuple[int, int]) -> _Cost:
    """Return about what a pass takes that can't be rehearsed: two operations for each weight in each direction."""
    text = config.get_text_config()
    n_tokens = shape[0] * shape[1]
    layers = KEPT // 2 * dtype.itemsize * text.hidden_size * text.num_hidden_layers
    kept = int(n_tokens * (layers + LOGITS * text.vocab_size))
    gradients = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    weights: int = sum(parameter.numel() for parameter in model.parameters() if parameter.dim() > 1)
    # Backward computes the gradients of activations and those of weights, of which an adapter's are few.
    products = 3 if options.method == "full" else 2
    return _Cost(kept + gradients, kept, 2.0 * products * weights * n_tokens, CALLS * text.num_hidden_layers, 3 * kept)
