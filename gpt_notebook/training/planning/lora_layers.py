"""The layers of a model that an adapter can be added to, by their names; a model without weights has them, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import transformers
from torch import nn
from transformers.pytorch_utils import Conv1D

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.suggestions import unknown_name

LINEAR = (nn.Linear, Conv1D)


def linear_layers(model: Any) -> dict[str, nn.Module]:
    """Return the linear layers of a model but its head, by name."""
    head = model.get_output_embeddings()
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LINEAR) and layer is not head}


def targeted(model: Any, targets: Sequence[str] | None) -> dict[str, nn.Module]:
    """Return the linear layers that an adapter with these targets is added to, by name; None: all of them."""
    linear = linear_layers(model)
    if targets is None:
        return linear
    return {name: layer for name, layer in linear.items() if any(_is_meant(name, target) for target in targets)}


def of_config(config: Any) -> list[str]:
    """Return the names of those that a model of this config has, without making its weights."""
    with torch.device("meta"):
        return list(linear_layers(transformers.AutoModelForCausalLM.from_config(config)))


def check_targets(names: Iterable[str], targets: Sequence[str] | None) -> None:
    """Refuse ends of names that no layer has.

    Raises:
        InvalidRequest: says which were meant, or which there are.
    """
    known = list(names)
    ends = sorted({name.rpartition(".")[2] for name in known})
    for target in targets or ():
        if not any(_is_meant(name, target) for name in known):
            raise InvalidRequest(unknown_name("layer in lora.targets", target, ends), param="lora.targets")


def _is_meant(name: str, target: str) -> bool:
    """Whether a target means a layer: by its name or by the end of it, as peft reads targets."""
    return name == target or name.endswith(f".{target}")
