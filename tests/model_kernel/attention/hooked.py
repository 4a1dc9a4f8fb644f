"""The same interventions with forward hooks on a plain transformers model: what ours are held to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import transformers

PROJECTIONS = {
    "gpt2": "transformer.h.{}.attn.c_proj",
    "gpt_neo": "transformer.h.{}.attn.attention.out_proj",
    "gptj": "transformer.h.{}.attn.out_proj",
    "bloom": "transformer.h.{}.self_attention.dense",
    "mpt": "transformer.blocks.{}.attn.out_proj",
    "falcon": "transformer.h.{}.self_attention.dense",
    "xglm": "model.layers.{}.self_attn.out_proj",
    "llama": "model.layers.{}.self_attn.o_proj",
    "mistral": "model.layers.{}.self_attn.o_proj",
    "gemma2": "model.layers.{}.self_attn.o_proj",
}
"""Where each family mixes the outputs of a layer's heads, which lie beside each other in the last dimension."""
FAMILIES = list(PROJECTIONS)
N_LAYERS = 2
N_HEADS = 4
CLEAN = [40, 71, 262, 99, 13, 55, 201, 120, 33, 7, 90, 150, 18, 64, 230, 45, 77, 81, 260, 52, 11, 109, 35, 58]
"""Three windows of the families that have one."""
CORRUPT = [*CLEAN[:18], 170, *CLEAN[19:]]


def plain(directory: str) -> Any:
    """What transformers itself makes of the files of a causal model, with its simplest attention."""
    return transformers.AutoModelForCausalLM.from_pretrained(directory, attn_implementation="eager").eval()


@contextmanager
def changed(model: Any, family: str, layer: int, change: Callable[[torch.Tensor], None]) -> Iterator[None]:
    """Let `change` edit the heads' outputs (batch, token, head, dimension) of a layer."""

    def before(_module: Any, arguments: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        outputs = arguments[0].unflatten(-1, (N_HEADS, -1)).clone()
        change(outputs)
        return (outputs.flatten(-2),)

    hook = model.get_submodule(PROJECTIONS[family].format(layer)).register_forward_pre_hook(before)
    try:
        yield
    finally:
        hook.remove()


@torch.inference_mode()
def logits(model: Any, token_ids: Sequence[int]) -> torch.Tensor:
    """(vocabulary,), after the last token."""
    return model(torch.tensor([list(token_ids)])).logits[0, -1]


def ablated(model: Any, family: str, token_ids: Sequence[int], layer: int, head: int) -> torch.Tensor:
    """Logits (vocabulary,) with one head's output zero."""

    def silence(outputs: torch.Tensor) -> None:
        outputs[:, :, head] = 0

    with changed(model, family, layer, silence):
        return logits(model, token_ids)


def patched(model: Any, family: str, layer: int, heads: Sequence[int]) -> torch.Tensor:
    """Logits (vocabulary,) of the corrupt text with some heads' outputs from the clean one."""
    kept: list[torch.Tensor] = []

    def put_in(outputs: torch.Tensor) -> None:
        outputs[:, :, heads] = kept[0][:, :, heads]

    with changed(model, family, layer, kept.append):
        logits(model, CLEAN)
    with changed(model, family, layer, put_in):
        return logits(model, CORRUPT)
