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
    return {name: each for name, each in model.named_modules() if isinstance(each, LINEAR) and each is not head}


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
    ends = sorted({each.rpartition(".")[2] for each in known})
    for target in targets or ():
        if not any(each == target or each.endswith(f".{target}") for each in known):
            raise InvalidRequest(unknown_name("layer in lora.targets", target, ends), param="lora.targets")
