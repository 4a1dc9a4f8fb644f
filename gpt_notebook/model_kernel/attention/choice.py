"""Which attention function a model runs with."""

from __future__ import annotations

import inspect
import logging
import re
import sys
from typing import Any

import torch

from gpt_notebook.model_kernel.attention.watching import TILED

logger = logging.getLogger(__name__)

TOLERANCE = 1e-2
"""How far the logits of a short text may be from transformers' own, relative to these, both root mean squares."""
ROUNDINGS = 16
"""The same in roundings of the model's dtype, of which those of many layers add up."""

ASKS_FOR_NAME = re.compile(r"_attn_implementation\s+(==|!=|in|not in)\s")
"""How code looks that does something else by the name of its attention function, such as hide keys only for some names."""


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
        if ASKS_FOR_NAME.search(inspect.getsource(sys.modules[type(module).__module__])):
            # What it does may show in a long text only.
            logger.info("%s stays eager: it depends on the name of its attention function", module.config.model_type)
            return
        expected = module(input_ids=ids).logits.float()
        module.set_attn_implementation(TILED)
        error = (module(input_ids=ids).logits.float() - expected).norm() / expected.norm().clamp_min(1e-9)
        if error <= max(TOLERANCE, ROUNDINGS * torch.finfo(module.dtype).eps):
            return
        logger.info("%s stays eager: its logits would differ by %.1e", module.config.model_type, error)
    except Exception:  # whatever it is, transformers' own way works
        logger.exception("%s stays eager", module.config.model_type)
    module.set_attn_implementation("eager")
