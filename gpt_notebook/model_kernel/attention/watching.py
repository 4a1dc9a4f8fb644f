"""Watching the attention calls of a forward pass.

Whoever watches is an argument of that pass: it is set for one thread, for the length of one `with` block, and the
shared model is not changed. Families whose attention goes through transformers' `AttentionInterface` are seen by our
functions in its register, which do what transformers' own do while nobody watches; the others through `tap`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface

from gpt_notebook.model_kernel.attention import tiled
from gpt_notebook.model_kernel.attention.calls import AttentionCall, Observer
from gpt_notebook.model_kernel.attention.layout import Layout, ModuleNames
from gpt_notebook.model_kernel.attention.tap import Tap
from gpt_notebook.model_kernel.batching import one_pass

TILED = "gpt_notebook_tiled"
"""The name of our own attention function in transformers' register."""


class _Watching(threading.local):
    observer: Observer | None = None
    names: ModuleNames | None = None


_watching = _Watching()


def install() -> None:
    """Put our functions into transformers' register, before a model is loaded or watched; once more does no harm."""
    AttentionInterface.register("sdpa", _sdpa)
    AttentionInterface.register(TILED, _tiled)
    AttentionMaskInterface.register(TILED, sdpa_mask)


@contextlib.contextmanager
def observed(names: ModuleNames, observer: Observer, *, tapped: bool = False) -> Iterator[None]:
    """Let `observer` see the attention calls of the forward passes that this thread makes inside the block.

    Args:
        names: those of the model's modules.
        observer: who sees them.
        tapped: whether they bypass transformers' interface.
    """
    assert _watching.observer is None  # noqa: S101 - one pass has one observer
    install()
    _watching.observer, _watching.names = observer, names
    try:
        with Tap(observer, names.main) if tapped else contextlib.nullcontext():
            yield
    finally:
        _watching.observer = _watching.names = None


def watching(layout: Layout, observer: Observer | None) -> contextlib.AbstractContextManager[None]:
    """Return the context in which an observer, if there is one, sees the attention calls of a known model."""
    if observer is None:
        return contextlib.nullcontext()
    return observed(layout.names, observer, tapped=layout.tapped)


def _sdpa(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Do what transformers' "sdpa" does, and tell the observer if there is one; in a pass, do what that says."""
    if (current := one_pass.current()) is not None:
        return current.attend(module, _call(module, (query, key, value, query), None, options)), None
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
    """Compute what sdpa can't, and tell the observer if there is one; in a pass, do what that says."""
    if (current := one_pass.current()) is not None:
        return current.attend(module, _call(module, (query, key, value, query), None, options)), None
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
    names = _watching.names
    part, layer = names.place(module) if names is not None else ("decoder", 0)
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
        window=options.get("sliding_window"),
        softcap=options.get("softcap"),
        sinks=options.get("s_aux"),
    )


def _told(call: AttentionCall) -> torch.Tensor:
    """Tell the observer of a call, and return the output to go on with."""
    assert _watching.observer is not None  # noqa: S101 - the callers have looked
    changed = _watching.observer.attended(call)
    return call.output if changed is None else changed
