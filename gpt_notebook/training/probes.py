"""Probes: what a model makes of fixed prompts while it is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from gpt_notebook.training import random_state


def continuations(
    model: Any, tokenizer: Any, prompts: Sequence[str], *, max_new_tokens: int, context_length: int
) -> Iterator[str]:
    """Give what follows each prompt when the most probable token is taken each time.

    The training goes on afterwards as if this had not been: neither the mode of the model's layers nor any generator of
    random numbers is another.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        prompts: What to go on from; of one that is longer than the context, its end.
        max_new_tokens: The most tokens to add; fewer where the context ends.
        context_length: The most tokens that the model reads; 0: no limit is known.
    """
    modes = [(module, module.training) for module in model.modules()]
    state = random_state.captured(model.device)
    model.eval()
    try:
        for prompt in prompts:
            yield _continuation(model, tokenizer, prompt, max_new_tokens, context_length)
    finally:
        for module, training in modes:
            module.training = training
        random_state.restore(state, model.device)


def _continuation(model: Any, tokenizer: Any, prompt: str, max_new_tokens: int, context_length: int) -> str:
    token_ids = tokenizer(prompt)["input_ids"] or [tokenizer.bos_token_id or tokenizer.eos_token_id or 0]
    if context_length:
        max_new_tokens = min(max_new_tokens, context_length - 1)
        token_ids = token_ids[-(context_length - max_new_tokens) :]
    given = torch.tensor([token_ids], device=model.device)  # (1, token)
    end = tokenizer.eos_token_id
    with torch.no_grad():
        generated = model.generate(
            input_ids=given,
            attention_mask=torch.ones_like(given),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            use_cache=True,
            pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (end or 0),
        )
    return str(tokenizer.decode(generated[0, len(token_ids) :], skip_special_tokens=True))
