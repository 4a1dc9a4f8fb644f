"""Finding out how a model's attention can be seen: one forward pass over two tokens."""

from __future__ import annotations

from typing import Any

import torch

from gpt_notebook.attention_protocol import Part
from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel.attention.calls import AttentionCall, observed
from gpt_notebook.model_kernel.attention.layout import Heads, Layout, keeps_keys_only
from gpt_notebook.model_kernel.loading import LoadedModel

PROBE = 2
"""Tokens; with one, softmax and mask would have nothing to do."""


class _Heads:
    """Notes what there is."""

    def __init__(self) -> None:
        self.parts: dict[Part, Heads] = {}
        self.recordable = True

    def attended(self, call: AttentionCall) -> None:
        heads = self.parts.setdefault(call.part, Heads())
        heads.count[call.layer] = call.query.shape[1]
        heads.key_count[call.layer] = call.key.shape[1]
        heads.dimension[call.layer] = call.query.shape[3]
        heads.scaling[call.layer] = call.scaling
        self.recordable &= call.weights is None


def layout_of(model: LoadedModel) -> Layout:
    """Return the layout of a model, which is found out at the first time; in the thread that owns the device.

    Raises:
        ModelUnsupported: it has no attention, or one that can't be seen.
    """
    if model.layout is None:
        model.layout = _probed(model)
    return model.layout


@torch.inference_mode()
def _probed(model: LoadedModel) -> Layout:
    main: Part = "encoder" if model.kind in ("masked", "encoder") else "decoder"
    n_layers = model.info().n_layers
    for tapped in (False, True):
        layout = Layout(model.module, main, tapped=tapped)
        seen = _Heads()
        with observed(layout, seen):
            out = _forward(model)
        if not seen.parts or (tapped and len(seen.parts[main].count) != n_layers):
            continue
        layout.parts, layout.recordable = seen.parts, seen.recordable
        layout.n_layers = max(n_layers, *(layer + 1 for heads in seen.parts.values() for layer in heads.count))
        layout.in_pieces = model.kind == "causal" and not tapped and keeps_keys_only(out.get("past_key_values"))
        return layout
    name, family = model.source.name, model.module.config.model_type
    reason = "cannot be seen" if seen.parts else "is not there: it has none"
    message = f"the attention of {name} ({family}) {reason}; choose another model, %gpt models lists those at hand"
    raise ModelUnsupported(message)


def _forward(model: LoadedModel) -> Any:
    ids = torch.full((1, PROBE), min(model.end_ids, default=0), device=model.device)
    if model.kind == "encoder-decoder":
        return model.module(input_ids=ids, decoder_input_ids=ids)
    return model.module(input_ids=ids, **({"use_cache": True} if model.kind == "causal" else {}))
