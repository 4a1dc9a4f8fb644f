"""Adapters with random weights, as peft saves them, and what peft makes of them."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peft
import safetensors.torch
import torch
import transformers

from model_kernel.asking import Reference


def save(directory: Path, base: str, *, seed: int = 0, dtype: torch.dtype = torch.float32, **config: Any) -> Path:
    """Save an adapter of a base that says something else than the base does."""
    torch.manual_seed(seed)
    options = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **config}
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    with _without_advice():
        adapted = peft.get_peft_model(model, peft.LoraConfig(**options))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.data = torch.randn_like(parameter).mul_(0.3).to(dtype)
    with _without_advice():
        adapted.save_pretrained(directory, save_embedding_layers=False)
    return directory


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Keep what peft and transformers have to say to each other out of the tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class AdaptedReference(Reference):
    """What peft itself makes of an adapter."""

    def __init__(self, base: str, adapter: Path) -> None:
        super().__init__(base)
        with _without_advice():
            self.model = peft.PeftModel.from_pretrained(self.model, adapter).eval()


def change_config(directory: Path, **changes: Any) -> None:
    """Write other values into an adapter's config."""
    path = directory / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_weights(directory: Path, **changes: Any) -> None:
    """Put other tensors into an adapter, given by the end of their names; None takes one out."""
    path = directory / "adapter_model.safetensors"
    tensors = safetensors.torch.load(path.read_bytes())
    for end, value in changes.items():
        (name,) = [name for name in tensors if name.endswith(end.replace("__", "."))] or [end.replace("__", ".")]
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value(tensors.get(name))
    safetensors.torch.save_file(tensors, path)
