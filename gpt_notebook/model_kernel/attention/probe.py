"""Finding out how a model's attention can be seen, and whether it is as it seems: a pass or two over a few tokens."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from gpt_notebook.attention_protocol import Part
from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel.attention.calls import AttentionCall
from gpt_notebook.model_kernel.attention.capture import Text
from gpt_notebook.model_kernel.attention.layout import Heads, Layout, ModuleNames
from gpt_notebook.model_kernel.attention.proof import agree, fault_of
from gpt_notebook.model_kernel.attention.reading import forward, read_once
from gpt_notebook.model_kernel.attention.watching import observed
from gpt_notebook.model_kernel.loaded_model import LoadedModel

PROBE = 8
"""Tokens, each another one: of equal tokens the values are equal, and any map would do."""
TARGET = 5
"""Those of them that an encoder-decoder has written; fewer, so that its halves are told apart."""


class _Seen:
    """Notes what there is, and what is wrong with it."""

    def __init__(self, n_tokens: int, n_written: int) -> None:
        self.parts: dict[Part, Heads] = {}
        self.recordable = True
        self.fault: str | None = None
        self._lengths: dict[Part, tuple[int, int]] = {
            "encoder": (n_tokens, n_tokens),
            "decoder": (n_written, n_written),
            "cross": (n_written, n_tokens),
        }

    def attended(self, call: AttentionCall) -> None:
        heads = self.parts.setdefault(call.part, Heads())
        if call.layer in heads.count:
            self.fault = self.fault or f"layer {call.layer} has more than one"
        self.fault = self.fault or fault_of(call, *self._lengths[call.part])
        heads.count[call.layer] = call.query.shape[1]
        heads.key_count[call.layer] = call.key.shape[1]
        heads.dimension[call.layer] = call.query.shape[3]
        heads.scaling[call.layer] = call.scaling
        self.recordable &= call.weights is None


def layout_of(model: LoadedModel) -> Layout:
    """Return the layout of a model, which is found out at the first time; in the thread that owns the device.

    Raises:
        ModelUnsupported: it has no attention, or one that can't be seen as it is.
    """
    if model.layout is None:
        model.layout = _probed(model)
    return model.layout


@torch.inference_mode()
def _probed(model: LoadedModel) -> Layout:
    main: Part = "encoder" if model.kind in ("masked", "encoder") else "decoder"
    info = model.info()
    ids = _some_ids(model)
    names = ModuleNames(model.module, main)
    for tapped in (False, True):
        seen = _Seen(ids.shape[1], min(TARGET, ids.shape[1]) if model.kind == "encoder-decoder" else ids.shape[1])
        with observed(names, seen, tapped=tapped):
            out = _forward(model, ids)
        if not seen.parts or (tapped and (set(seen.parts) != {main} or len(seen.parts[main].count) != info.n_layers)):
            continue
        if seen.fault is not None:
            raise _refusal(model, f"cannot be shown as it is: {seen.fault}")
        return Layout(
            names=names,
            parts=seen.parts,
            n_layers=max(info.n_layers, *(layer + 1 for heads in seen.parts.values() for layer in heads.count)),
            tapped=tapped,
            in_pieces=not tapped and _reads_in_pieces(model, ids, out),
            recordable=seen.recordable,
        )
    raise _refusal(model, "cannot be seen" if seen.parts or info.n_heads else "is not there: it has none")


def _refusal(model: LoadedModel, reason: str) -> ModelUnsupported:
    name, family = model.source.name, model.module.config.model_type
    return ModelUnsupported(
        f"the attention of {name} ({family}) {reason}; choose another model, %gpt models lists those at hand"
    )


def _some_ids(model: LoadedModel) -> torch.Tensor:
    """Return ids (1, token) of tokens that differ as far as the vocabulary allows, no more than the model reads."""
    count = min(PROBE, model.context_length or PROBE)
    return torch.arange(1, count + 1, device=model.device)[None] % len(model.tokenizer)


def _forward(model: LoadedModel, ids: torch.Tensor) -> Any:
    if model.kind == "causal":
        return forward(model, ids, cache={})
    text = tuple(ids[0].tolist())
    return read_once(model, Text(text, text[:TARGET] if model.kind == "encoder-decoder" else ()))


def _reads_in_pieces(model: LoadedModel, ids: torch.Tensor, whole: Any) -> bool:
    """Return whether a text that is read in two pieces ends as the whole one does."""
    if model.kind != "causal" or ids.shape[1] == 1 or not _keeps_keys_only(whole.get("past_key_values")):
        return False
    middle = ids.shape[1] // 2
    first = forward(model, ids[:, :middle], cache={})
    second = forward(model, ids[:, middle:], cache={"past_key_values": first.past_key_values})
    return agree(second.logits[0, -1].float(), whole.logits[0, -1].float(), model.dtype)


def _keeps_keys_only(cache: Any) -> bool:
    """Whether what a model remembers is keys and values and nothing recurrent, which would have to be carried exactly."""
    return type(cache) is DynamicCache and all(
        type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers
    )
