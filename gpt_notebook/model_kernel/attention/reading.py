"""One forward pass over a text, with somebody watching: piece by piece where the family allows it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from typing import Any

import torch

from gpt_notebook.model_kernel.attention.calls import Observer, observed
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.pieces import Pace
from gpt_notebook.model_kernel.loading import LoadedModel
from gpt_notebook.model_kernel.scheduler import LONGEST_STEP, Work

FIRST_TOKENS = 64
LEAST_TOKENS = 32
"""Fewer at a time would read all the weights for next to nothing."""
LEAST_ALONE = 128
"""The same when nobody waits: each piece also looks back at all before it, so that few large ones cost less."""
ALONE = 3.0
"""For the same reason, how much longer than others' pieces those of a reading are when nobody waits."""

OnHidden = Callable[[tuple[torch.Tensor, ...]], None]
"""Takes the hidden states (token, dimension) of a piece, before the first layer and after each."""


def read(
    work: Work,
    model: LoadedModel,
    layout: Layout,
    token_ids: Sequence[int],
    *,
    observer: Observer | None = None,
    on_hidden: OnHidden | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Generator[None, None, torch.Tensor]:
    """Read a text from its beginning, yield between pieces, and return the logits (vocabulary,) after its last token.

    Args:
        work: whose `seconds` a piece should take.
        model: a causal language model.
        layout: its layout.
        token_ids: the text, at least one token.
        observer: who watches the attention calls.
        on_hidden: who wants the hidden states.
        on_progress: who wants to know how many tokens have been read.
    """
    cache: dict[str, Any] = {}
    pace = Pace(FIRST_TOKENS)
    done = 0
    logits = torch.empty(0)
    while done < len(token_ids):
        if done:
            yield
        alone = work.seconds >= LONGEST_STEP
        size = pace.units(work.seconds * (ALONE if alone else 1), least=LEAST_ALONE if alone else LEAST_TOKENS)
        if not layout.in_pieces:
            size = len(token_ids)
        piece = token_ids[done : done + size]
        with pace, watching(layout, observer):
            out = forward(model, torch.tensor([piece], device=model.device), cache=cache, hidden=on_hidden is not None)
            logits = out.logits[0, -1].float().cpu()  # (vocabulary,)
        cache = {"past_key_values": out.past_key_values} if layout.in_pieces else {}
        if on_hidden is not None:
            on_hidden(tuple(state[0] for state in out.hidden_states))
        done += len(piece)
        if on_progress is not None:
            on_progress(done)
    return logits


def watching(layout: Layout, observer: Observer | None) -> contextlib.AbstractContextManager[None]:
    """Return the context in which an observer, if there is one, sees the attention calls."""
    return contextlib.nullcontext() if observer is None else observed(layout, observer)


def forward(
    model: LoadedModel,
    input_ids: torch.Tensor,
    *,
    cache: dict[str, Any] | None = None,
    hidden: bool = False,
    all_logits: bool = False,
) -> Any:
    """Run a causal model on ids (batch, token) and return transformers' output; logits of the last token only."""
    options: dict[str, Any] = {} if all_logits else last_only(model)
    if hidden:
        options["output_hidden_states"] = True
    return model.module(input_ids=input_ids, use_cache=cache is not None, **(cache or {}), **options)


def last_only(model: LoadedModel) -> dict[str, Any]:
    """Return the options with which a model computes all of its layers for all tokens, and logits of the last only."""
    # Told as a count, the last one is all that families with shared keys (Gemma 4) let through their upper layers.
    return {"logits_to_keep": torch.tensor([-1], device=model.device)} if model.keeps_logits else {}
