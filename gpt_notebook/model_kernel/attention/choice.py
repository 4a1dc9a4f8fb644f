"""Which attention function a model runs with."""

from __future__ import annotations

import logging
from typing import Any

import torch

from gpt_notebook.model_kernel.attention.calls import TILED

logger = logging.getLogger(__name__)

TOLERANCE = 1e-2
"""How far the logits of a short text may be apart, relative to the largest; bfloat16 rounds to 4e-3."""


@torch.inference_mode()
def choose(module: Any) -> None:
    """Let a causal model that torch's function can't serve (softcaps, sinks) run on our tiles, and be observed so.

    Transformers would run it eagerly, all scores at once. Whether ours computes the same is tried, not assumed: a
    family with a peculiarity of its own keeps its eager function, and is observed through its softmax.
    """
    supported = getattr(module, "_supports_attention_backend", False) and not getattr(module, "_supports_sdpa", True)
    if module.config._attn_implementation != "eager" or not supported:  # noqa: SLF001 - transformers has no other way to ask
        return
    ids = torch.arange(1, 9, device=module.device)[None] % module.get_input_embeddings().num_embeddings
    try:
        expected = module(input_ids=ids).logits
        module.set_attn_implementation(TILED)
        error = (module(input_ids=ids).logits - expected).abs().max() / expected.abs().max().clamp_min(1e-9)
        if error <= TOLERANCE:
            return
        logger.info("%s stays eager: its logits would differ by %.1e", module.config.model_type, error)
    except Exception:  # whatever it is, transformers' own way works
        logger.exception("%s stays eager", module.config.model_type)
    module.set_attn_implementation("eager")
