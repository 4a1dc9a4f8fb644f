"""Attention in tiles is attention."""

from __future__ import annotations

import pytest
import torch
import transformers

from gpt_notebook.model_kernel.attention import tiled
from gpt_notebook.model_kernel.attention.calls import AttentionCall
from gpt_notebook.model_kernel.attention.watching import TILED
from model_kernel.attention.computing import random_ids

BATCH, HEADS, KEY_HEADS, TOKENS = 2, 4, 2, 11
MASK = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril().triu(-3).expand(BATCH, 1, -1, -1)
ADDED = torch.zeros(MASK.shape).masked_fill(~MASK, torch.finfo(torch.float32).min)
OPTIONS = {
    "plain": {},
    "causal": {"causal": True},
    "window": {"mask": MASK},
    "window, added": {"mask": ADDED},
    "softcap": {"softcap": 0.7, "causal": True},
    "sinks": {"sinks": torch.tensor([1.0, -2.0, 0.5, 3.0]), "causal": True},
    "sinks and window": {"sinks": torch.tensor([1.0, -2.0, 0.5, 3.0]), "mask": MASK},
    "bias": {"bias": torch.randn(1, HEADS, TOKENS, TOKENS, generator=torch.Generator().manual_seed(5)), "mask": MASK},
}


def call(dtype=torch.float32, **options):
    draw = torch.Generator().manual_seed(0)

    def tensor(heads, dimension):
        return torch.randn(BATCH, heads, TOKENS, dimension, generator=draw).to(dtype)

    query, key, value = tensor(HEADS, 6), tensor(KEY_HEADS, 6), tensor(KEY_HEADS, 5)
    return AttentionCall("decoder", 0, query, key, value, output=query, scaling=0.4, **options)


def eager(made):
    """(batch, query, head, dimension), all scores at once."""
    key, value = (tensor.repeat_interleave(HEADS // KEY_HEADS, 1) for tensor in (made.key, made.value))
    scores = made.query @ key.transpose(-1, -2) * made.scaling
    if made.softcap is not None:
        scores = made.softcap * torch.tanh(scores / made.softcap)
    if made.bias is not None:
        scores = scores + made.bias
    if made.causal:
        scores = scores + torch.full((TOKENS, TOKENS), -torch.inf).triu(1)
    if made.mask is not None:
        scores = scores + (ADDED if made.mask.dtype == torch.bool else made.mask)
    exponents = torch.exp(scores - scores.amax(-1, keepdim=True))
    total = exponents.sum(-1, keepdim=True)
    if made.sinks is not None:
        total = total + torch.exp(made.sinks[:, None, None] - scores.amax(-1, keepdim=True))
    return (exponents / total @ value).transpose(1, 2)


@pytest.mark.parametrize("elements", [1, 3 * BATCH * HEADS * TOKENS, 2**22], ids=["a row", "3 rows", "all"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_tiles_of_any_size_give_what_eager_attention_gives(options, elements, monkeypatch):
    monkeypatch.setattr(tiled, "TILE_ELEMENTS", elements)
    made = call(**options)
    torch.testing.assert_close(tiled.attend(made), eager(made), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sinks", [None, torch.zeros(HEADS)])
def test_a_row_that_may_see_nothing_gives_nothing(sinks):
    mask = MASK.clone()
    mask[1, :, :4] = False
    output = tiled.attend(call(mask=mask, sinks=sinks))
    assert (output[1, :4] == 0).all()
    assert output.isfinite().all()
    assert (output[1, 4:] != 0).any()


def test_the_output_has_the_models_own_dtype():
    made = call(torch.bfloat16, causal=True)
    output = tiled.attend(made)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), eager(call(causal=True)), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("elements", [1, 300, 2**22])
@pytest.mark.parametrize("family", ["gemma2", "gpt_oss"])
def test_models_that_sdpa_cannot_run_say_what_they_say_eagerly(family, elements, tiny, loaded, monkeypatch):
    monkeypatch.setattr(tiled, "TILE_ELEMENTS", elements)
    model = loaded(family).module
    assert model.config._attn_implementation == TILED
    reference = transformers.AutoModelForCausalLM.from_pretrained(tiny(family), attn_implementation="eager").eval()
    ids = torch.tensor([random_ids(30), random_ids(30, seed=2)])
    padded = torch.ones_like(ids)
    padded[1, :9] = 0
    with torch.inference_mode():
        for mask in (None, padded):
            found, expected = (each(ids, attention_mask=mask).logits for each in (model, reference))
            torch.testing.assert_close(found[:, 9:], expected[:, 9:], rtol=1e-4, atol=1e-4)
