"""One attention call of one layer, and how to watch the calls of a forward pass.

Whoever watches is an argument of that pass: it is set for one thread, for the length of one `with` block, and the
shared model is not changed. Families whose attention goes through transformers' `AttentionInterface` are seen by a
wrapper around its functions, which does nothing while nobody watches; the others through `tap`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface

from gpt_notebook.attention_protocol import Part
from gpt_notebook.model_kernel.attention import tiled
from gpt_notebook.model_kernel.attention.layout import Layout

TILED = "gpt_notebook_tiled"
"""The name of our own attention function in transformers' register."""


@dataclass(slots=True)
class AttentionCall:
    """What one layer's attention was given, and what it gave."""

    part: Part
    layer: int
    query: torch.Tensor
    """(batch, head, query, dimension), with rotary positions applied."""
    key: torch.Tensor
    """(batch, key head, key, dimension); cached keys come first."""
    value: torch.Tensor
    """(batch, key head, key, value dimension)."""
    output: torch.Tensor
    """(batch, query, head, value dimension), before the output projection."""
    scaling: float | None = None
    mask: torch.Tensor | None = None
    """(batch or 1, 1 or head, query, key): True where attention is allowed, or a number to add."""
    bias: torch.Tensor | None = None
    """Added to the scaled scores, in the shape of the mask."""
    causal: bool = False
    """Whether query i sees the keys up to i only, where there is no mask."""
    softcap: float | None = None
    sinks: torch.Tensor | None = None
    """(head,): a score that takes part in the softmax and attends to nothing."""
    scores: torch.Tensor | None = None
    """(batch, head, query, key), what went into the softmax; only from the tap, which knows none of the six above."""
    weights: torch.Tensor | None = None
    """(batch, head, query, key), what came out of it; only from the tap."""


class Observer(Protocol):
    """Sees every attention call of a forward pass, in order."""

    def attended(self, call: AttentionCall) -> torch.Tensor | None:
        """Take note of a call; return None, or the output that the model is to go on with."""
        ...


class _Watching(threading.local):
    observer: Observer | None = None
    layout: Layout | None = None


_watching = _Watching()


@contextmanager
def observed(layout: Layout, observer: Observer) -> Iterator[None]:
    """Let `observer` see the attention calls of the forward passes that this thread makes inside the block."""
    assert _watching.observer is None  # noqa: S101 - one pass has one observer
    _watching.observer, _watching.layout = observer, layout
    try:
        if layout.tapped:
            from gpt_notebook.model_kernel.attention.tap import Tap

            with Tap(observer, layout):
                yield
        else:
            yield
    finally:
        _watching.observer = _watching.layout = None


def _sdpa(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Do what transformers' "sdpa" does, and tell the observer if there is one."""
    output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    if _watching.observer is None:
        return output, None
    return _told(_call(module, (query, key, value, output), attention_mask, options)), None


def _tiled(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Compute what sdpa can't, and tell the observer if there is one."""
    call = _call(module, (query, key, value, query), attention_mask, options)
    call.output = tiled.attend(call)
    return call.output if _watching.observer is None else _told(call), None


def _call(
    module: Any,
    tensors: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    options: dict[str, Any],
) -> AttentionCall:
    """Return a call of the interface, whose tensors are query, key, value and output."""
    query, key, value, output = tensors
    layout = _watching.layout
    part, layer = layout.place(module) if layout is not None else ("decoder", 0)
    is_causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    scaling = options.get("scaling")
    return AttentionCall(
        part=part,
        layer=layer,
        query=query,
        key=key,
        value=value,
        output=output,
        scaling=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        mask=mask,
        bias=options.get("position_bias"),
        causal=bool(causal) and mask is None and query.shape[2] > 1,
        softcap=options.get("softcap"),
        sinks=options.get("s_aux"),
    )


def _told(call: AttentionCall) -> torch.Tensor:
    """Tell the observer of a call, and return the output to go on with."""
    assert _watching.observer is not None  # noqa: S101 - the callers have looked
    changed = _watching.observer.attended(call)
    return call.output if changed is None else changed


AttentionInterface.register("sdpa", _sdpa)
AttentionInterface.register(TILED, _tiled)
AttentionMaskInterface.register(TILED, sdpa_mask)
