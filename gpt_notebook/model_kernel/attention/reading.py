"""Reading a text, with somebody watching: piece by piece where the family allows it, or all of it in one pass."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import torch

from gpt_notebook.model_kernel.attention.calls import Observer
from gpt_notebook.model_kernel.attention.capture import Text
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.pieces import Pace
from gpt_notebook.model_kernel.attention.watching import watching
from gpt_notebook.model_kernel.loaded_model import LoadedModel
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
    copies: int = 1,
    pace: Pace | None = None,
    observer: Observer | None = None,
    on_hidden: OnHidden | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Generator[None, None, torch.Tensor]:
    """Read a text from its beginning, yield between pieces, and return the logits (copy, vocabulary) after its end.

    Args:
        work: whose `seconds` a piece should take.
        model: a causal language model.
        layout: its layout.
        token_ids: the text, at least one token.
        copies: how many times the text is read side by side; an observer may tell one from the other.
        pace: how many tokens are read at a time, those of all copies counted; None: it begins anew.
        observer: who watches the attention calls.
        on_hidden: who wants the hidden states of the first copy.
        on_progress: who wants to know how many tokens have been read.
    """
    cache: dict[str, Any] = {}
    pace = pace or Pace(FIRST_TOKENS)
    done = 0
    logits = torch.empty(0)
    while done < len(token_ids):
        if done:
            yield
        # Copies are made of short texts, which have little to look back at.
        alone = copies == 1 and work.seconds >= LONGEST_STEP
        least = copies * (LEAST_ALONE if alone else LEAST_TOKENS)
        size = pace.units(work.seconds * (ALONE if alone else 1), least=least) // copies
        if not layout.in_pieces:
            size = len(token_ids)
        piece = token_ids[done : done + size]
        with pace, watching(layout, observer):
            ids = torch.tensor([piece], device=model.device).expand(copies, -1)
            out = forward(model, ids, cache=cache, hidden=on_hidden is not None)
            logits = out.logits[:, -1].float().cpu()
        cache = {"past_key_values": out.past_key_values} if layout.in_pieces else {}
        if on_hidden is not None:
            on_hidden(tuple(state[0] for state in out.hidden_states))
        done += len(piece)
        if on_progress is not None:
            on_progress(done)
    return logits


def read_once(model: LoadedModel, text: Text, *, hidden: bool = False) -> Any:
    """Read a text in one pass, whatever kind of model it is, and return transformers' output."""
    ids = torch.tensor([text.token_ids], device=model.device)
    if model.kind == "causal":
        return forward(model, ids, hidden=hidden)
    options: dict[str, Any] = {"output_hidden_states": True} if hidden else {}
    if text.target_ids:
        options["decoder_input_ids"] = torch.tensor([text.target_ids], device=model.device)
    return model.module(input_ids=ids, **options)


def forward(
    model: LoadedModel, input_ids: torch.Tensor, *, cache: dict[str, Any] | None = None, hidden: bool = False
) -> Any:
    """Run a causal model on ids (batch, token) and return transformers' output; logits of the last token only."""
    options = last_only(model)
    if hidden:
        options["output_hidden_states"] = True
    return model.module(input_ids=input_ids, use_cache=cache is not None, **(cache or {}), **options)


def last_only(model: LoadedModel) -> dict[str, Any]:
    """Return the options with which a model computes all of its layers for all tokens, and logits of the last only."""
    # Told as a count, the last one is all that families with shared keys (Gemma 4) let through their upper layers.
    return {"logits_to_keep": torch.tensor([-1], device=model.device)} if model.keeps_logits else {}
