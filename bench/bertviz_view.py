"""One BertViz head view of all heads, in a process of its own: `attention.py` starts it, and limits its memory and time.

    python bench/bertviz_view.py <model directory> <tokens> <most bytes of memory>

Prints a JSON line after each stage, the last one with what went wrong, if anything did.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import bertviz
import torch
import transformers
from own_model_kernel import forget_peak, memory, random_text

WARM_UP = 32
"""Tokens of a first pass, which is not measured."""


def main(directory: str, length: int, most_bytes: int) -> None:
    """Run the stages and say how they went."""
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, attn_implementation="eager").eval()
    ids = tokenizer(random_text(length), return_tensors="pt")["input_ids"]  # (1, token)
    stage = "the forward pass"
    try:
        view(attentions(model, ids[:, :WARM_UP]), tokenizer, ids[0, :WARM_UP])
        before = memory("self").resident
        forget_peak("self")
        began = time.perf_counter()
        found = attentions(model, ids)
        say(forward=time.perf_counter() - began, forward_peak=memory("self").peak - before)
        stage = "head_view"
        began = time.perf_counter()
        html = view(found, tokenizer, ids[0])
        say(view=time.perf_counter() - began, peak=memory("self").peak - before)
        say(bytes=len(html) if html.isascii() else len(html.encode()))
    except (MemoryError, RuntimeError) as error:
        # torch says it with a RuntimeError.
        if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):
            raise
        del error
        say(failed=f"out of memory ({most_bytes / 1e9:g} GB) in {stage}")


@torch.inference_mode()
def attentions(model: torch.nn.Module, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return all maps, (1, head, query, key) for each layer."""
    maps: tuple[torch.Tensor, ...] = model(input_ids=ids, output_attentions=True, use_cache=False).attentions
    return maps


def view(maps: tuple[torch.Tensor, ...], tokenizer: Any, ids: torch.Tensor) -> str:
    """Return BertViz's page."""
    tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
    page: str = bertviz.head_view(maps, tokens, html_action="return").data
    return page


def say(**values: float | str) -> None:
    """Print what was found."""
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
