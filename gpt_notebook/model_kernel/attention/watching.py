"""Watching the attention calls of a forward pass.

Whoever watches is an argument of that pass: it is set for one thread, for the length of one `with` block, and the
shared model is not changed. Families whose attention goes through transformers' `AttentionInterface` are seen by our
functions in its register, which do what transformers' own do while no `Handler` is set; the others through `tap`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface

from gpt_notebook.model_kernel.attention import tiled
from gpt_notebook.model_kernel.attention.calls import AttentionCall, Observer
from gpt_notebook.model_kernel.attention.layout import Layout, ModuleNames
from gpt_notebook.model_kernel.attention.tap import Tap

TILED = "gpt_notebook_tiled"
"""The name of our own attention function in transformers' register."""


class Handler(Protocol):
    """Who has the attention calls of a pass: sees them, or does something else in their place."""

    def handle(self, module: Any, call: AttentionCall, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return the output that the model is to go on with.

        Args:
            module: whose attention it is.
            call: what it was given; neither its place nor its output is known yet.
            compute: does what transformers would, and returns the output.
        """
        ...


class _Here(threading.local):
    handler: Handler | None = None


_here = _Here()


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
    install()
    with handled(_Observing(names, observer)), Tap(observer, names.main) if tapped else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Give the attention calls that this thread makes inside the block to a handler; a pass has one."""
    assert _here.handler is None  # noqa: S101 - two would not know of each other
    _here.handler = handler
    try:
        yield
    finally:
        _here.handler = None


class _Observing:
    """Lets an observer see what is computed."""

    def __init__(self, names: ModuleNames, observer: Observer) -> None:
        self._names = names
        self._observer = observer

    def handle(self, module: Any, call: AttentionCall, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        call.part, call.layer = self._names.place(module)
        call.output = compute()
        changed = self._observer.attended(call)
        return call.output if changed is None else changed


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
    """Do what transformers' "sdpa" does, or what the handler of this pass says."""

    def compute() -> torch.Tensor:
        output: torch.Tensor = sdpa_attention_forward(module, query, key, value, attention_mask, **options)[0]
        return output

    if (handler := _here.handler) is None:
        return compute(), None
    return handler.handle(module, _call(module, (query, key, value), attention_mask, options), compute), None


def _tiled(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Compute what sdpa can't, or do what the handler of this pass says."""
    call = _call(module, (query, key, value), attention_mask, options)
    if (handler := _here.handler) is None:
        return tiled.attend(call), None
    return handler.handle(module, call, lambda: tiled.attend(call)), None


def _call(
    module: Any,
    tensors: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    options: dict[str, Any],
) -> AttentionCall:
    """Return a call of the interface, of query, key and value; its place and output are not known yet."""
    query, key, value = tensors
    is_causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    scaling = options.get("scaling")
    return AttentionCall(
        part="decoder",
        layer=0,
        query=query,
        key=key,
        value=value,
        output=query,
        scaling=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        mask=mask,
        bias=options.get("position_bias"),
        causal=bool(causal) and mask is None and query.shape[2] > 1,
        window=options.get("sliding_window"),
        softcap=options.get("softcap"),
        sinks=options.get("s_aux"),
    )
