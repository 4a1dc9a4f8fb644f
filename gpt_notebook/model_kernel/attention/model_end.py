"""From a layer's output to logits, as the model itself does it after its last layer.

The end of a model is its final norm and its output head, with whatever scales and caps the logits. The norm is found by
trying; the rest is the family's own code, which runs on a stand-in for everything before it. Whoever uses an end must
hold it to the model's own logits: `proof.agree`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

End = Callable[[torch.Tensor], torch.Tensor]
"""From states (state, dimension) to logits (state, vocabulary)."""


@dataclass(frozen=True)
class Stack:
    """A model's layers, and where they are."""

    layers: nn.ModuleList
    holder: nn.Module
    """What has the layers for a child, beside the final norm."""
    base: str
    """The name of the model's child that is everything but the output head."""


def stack_of(module: Any, n_layers: int) -> Stack | None:
    """Return the outermost list of as many layers, or None if there is none."""
    names = [name for name, each in module.named_modules() if isinstance(each, nn.ModuleList) and len(each) == n_layers]
    if not names:
        return None
    name = min(names, key=lambda name: name.count("."))
    holder = module.get_submodule(name.rpartition(".")[0])
    return Stack(layers=module.get_submodule(name), holder=holder, base=name.partition(".")[0])


@contextmanager
def output_of(layer: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Give a list that gets the output (dimension,) of a layer for the last token of each pass inside the block.

    transformers tells a model's last hidden state only after the norm, and in most families only there. The hook is on
    the shared module, so the block must lie within one step, in the thread that owns the device.
    """
    seen: list[torch.Tensor] = []

    def take(_module: nn.Module, _arguments: Any, output: Any) -> None:
        state = output if isinstance(output, torch.Tensor) else output[0]  # (batch, token, dimension)
        seen.append(state[0, -1])

    hook = layer.register_forward_hook(take)
    try:
        yield seen
    finally:
        hook.remove()


def ends_of(module: Any, stack: Stack) -> Iterator[End]:
    """Yield what could be the end of a model, the likeliest first.

    Some families have a second norm beside the layers, for the embeddings; others have none at the end, because each
    layer ends with its own.
    """
    norms = [each for each in stack.holder.children() if "norm" in type(each).__name__.lower()]
    projection = getattr(stack.holder, "project_out", None)  # OPT's, where embeddings are narrower than layers
    for norm in [*reversed(norms), None]:

        def end(states: torch.Tensor, norm: nn.Module | None = norm) -> torch.Tensor:
            for each in (norm, projection):
                states = states if each is None else each(states)
            return _logits(module, stack.base, states)

        yield end


def _logits(module: Any, base: str, states: torch.Tensor) -> torch.Tensor:
    """Return the logits (state, vocabulary), float32, that the family's own code makes of finished states."""
    ended = copy.copy(module)  # Shares the weights; only what it runs first is another.
    ended._modules = {**module._modules, base: _Ended(getattr(module, base), states[None])}  # noqa: SLF001 - torch's own
    ids = torch.zeros(1, states.shape[0], dtype=torch.long, device=states.device)
    logits: torch.Tensor = ended(input_ids=ids).logits[0]
    return logits.float()


class _Ended(nn.Module):
    """Stands for all of a model but its head, and gives states that are there already."""

    def __init__(self, base: Any, states: torch.Tensor) -> None:
        """Take what it stands for, whose attributes some heads read, and states (1, state, dimension)."""
        super().__init__()
        self._of = (base, states)  # A tuple, so that torch does not count the base as a part.

    def __getattr__(self, name: str) -> Any:
        return self if name == "decoder" else getattr(self._of[0], name)

    def forward(self, *_: Any, **__: Any) -> _Output:
        return _Output((self._of[1],))


class _Output(tuple[torch.Tensor]):
    """The output of a model of any family: the last hidden state, and nothing else that it may be asked for."""

    __slots__ = ()

    def __getattr__(self, name: str) -> torch.Tensor | None:
        return self[0] if name == "last_hidden_state" else None
