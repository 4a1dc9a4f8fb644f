"""A model that torch's function can't serve runs on our tiles, unless that would change what it says."""

from __future__ import annotations

import pytest
import torch
import transformers

from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.watching import TILED
from model_kernel.attention.computing import random_ids

N_TOKENS = 40


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", ["gemma2", "gpt_oss"])
def test_a_family_that_torch_cannot_serve_runs_on_tiles_in_its_own_dtype(family, dtype, loaded):
    model = loaded(family, dtype=dtype)
    assert model.module.config._attn_implementation == TILED
    assert layout_of(model).in_pieces


def test_a_family_that_asks_for_the_name_of_its_attention_keeps_it(tiny, loaded):
    """Whatever a short text says: only in a longer one are keys left out."""
    module, ids = loaded("hy_v4").module, torch.tensor([random_ids(N_TOKENS)])
    assert module.config._attn_implementation == "eager"
    with torch.inference_mode():
        logits = module(input_ids=ids).logits
        module.config._attn_implementation = TILED
        wrong = module(input_ids=ids).logits
        module.config._attn_implementation = "eager"
    expected = transformers.AutoModelForCausalLM.from_pretrained(tiny("hy_v4")).eval()(input_ids=ids).logits
    assert torch.allclose(logits, expected, atol=1e-5)
    assert (wrong - expected).abs().max() >= 1e-2
