"""How large a model is, by its config alone: what it can read at once, and how many parameters it has."""

from __future__ import annotations

from typing import Any

import torch
import transformers

CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "seq_length")


def context_length(config: Any) -> int:
    """Return how many positions there are; 0: no limit is known."""
    text_config = config.get_text_config()
    lengths = (getattr(text_config, name, None) for name in CONTEXT_NAMES)
    return next((length for length in lengths if isinstance(length, int) and length > 0), 0)


def number_of_parameters(config: Any) -> int:
    """Return how many a causal model of this config has, without making its weights."""
    with torch.device("meta"):
        return int(transformers.AutoModelForCausalLM.from_config(config).num_parameters())
