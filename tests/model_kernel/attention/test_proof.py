"""What is shown is what was computed, or it is refused: also for families that do more than their calls tell."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers

from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel.attention import probe, recording
from gpt_notebook.model_kernel.attention.calls import TILED, observed
from gpt_notebook.model_kernel.attention.capture import Recorder
from gpt_notebook.model_kernel.attention.layout import Layout
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.proof import fault_of
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.sequence import Sequence
from model_kernel import families, tiny_models
from model_kernel.attention.conftest import capture_of, random_ids, whole_maps
from model_kernel.families import CLASSIC, GROUPED, SMALL_EXPERTS, WINDOW

N_TOKENS = 40
SHARED_KEYS = (
    transformers.Gemma4TextConfig,
    {
        **GROUPED,
        "num_hidden_layers": 4,
        "head_dim": 8,
        "global_head_dim": 8,
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_kv_shared_layers": 2,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": 320,
    },
)
"""Its upper layers have no keys of their own, so a pass for the last token's logits may leave the others out of them."""
CHOSEN_KEYS = (
    transformers.HYV4Config,
    {
        **CLASSIC,
        "num_key_value_heads": 4,
        "head_dim": 4,
        "q_lora_rank": 16,
        "kv_lora_rank": 16,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 4,
        "v_head_dim": 6,
        "index_topk": 12,
        "index_n_heads": 2,
        "index_head_dim": 8,
        "pad_token_id": None,
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "n_group": 1,
        "topk_group": 1,
        **SMALL_EXPERTS,
    },
)
"""In a text of more than twelve tokens each query sees only twelve, unless attention has a name it doesn't know."""
ONE_LAYER_AGAIN = (transformers.AlbertConfig, {**CLASSIC, "embedding_size": 16})
TWO_IN_A_LAYER = (transformers.DiffLlamaConfig, GROUPED)
PAST_THE_INTERFACE = (transformers.MPNetConfig, CLASSIC)
"""An encoder of which only the softmax can be seen."""


@pytest.fixture(scope="module", autouse=True)
def peculiar():
    with pytest.MonkeyPatch.context() as patch:
        for name, family in {
            "gemma4_text": SHARED_KEYS,
            "hy_v4": CHOSEN_KEYS,
            "albert": ONE_LAYER_AGAIN,
            "diffllama": TWO_IN_A_LAYER,
            "mpnet": PAST_THE_INTERFACE,
        }.items():
            patch.setitem(families.FAMILIES, name, family)
        for name in ("albert", "mpnet"):
            patch.setitem(tiny_models.MASKED, name, families.FAMILIES[name])
        yield


def eager_maps(directory, auto_class, ids):
    model = auto_class.from_pretrained(directory, attn_implementation="eager").eval()
    with torch.inference_mode():
        found = model(input_ids=torch.tensor([ids]), output_attentions=True).attentions
    return {layer: each[0].numpy() for layer, each in enumerate(found)}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for layer, found in ours.items():
        assert found.shape == theirs[layer].shape
        assert abs(found - theirs[layer]).max() <= 1e-5


def test_layers_without_keys_of_their_own_have_all_their_queries(tiny, loaded):
    model, ids = loaded("gemma4_text"), random_ids(N_TOKENS)
    theirs = eager_maps(tiny("gemma4_text"), transformers.AutoModelForCausalLM, ids)
    assert_same(whole_maps(MapSource(capture_of(model, ids), model)), theirs)


def test_so_they_have_while_text_is_generated(loaded):
    model, ids = loaded("gemma4_text"), random_ids(N_TOKENS)
    sequence = Sequence(model, Recorder(N_TOKENS))
    logits = sequence.read(ids)
    assert torch.allclose(logits, Sequence(model).read(ids), atol=1e-4)
    assert [layer.blocks[-1].stop for layer in sequence.recorded(N_TOKENS).values()] == [N_TOKENS] * 4


def test_an_encoder_past_the_interface_is_seen_through_its_softmax(tiny, loaded):
    model, ids = loaded("mpnet"), random_ids(N_TOKENS)
    layout = layout_of(model)
    assert (layout.tapped, layout.recordable, list(layout.parts)) == (True, False, ["encoder"])
    theirs = eager_maps(tiny("mpnet"), transformers.AutoModelForMaskedLM, ids)
    assert_same(whole_maps(MapSource(capture_of(model, ids), model), "encoder"), theirs)


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", ["gemma2", "gpt_oss"])
def test_a_family_that_torch_cannot_serve_runs_on_tiles_in_its_own_dtype(family, dtype, loaded):
    model = loaded(family, dtype=dtype)
    assert model.module.config._attn_implementation == TILED
    assert layout_of(model).in_pieces


@pytest.mark.parametrize("family", ["albert", "diffllama"])
def test_layers_that_attend_more_than_once_are_refused(family, loaded):
    with pytest.raises(ModelUnsupported, match=rf"\({family}\) cannot be shown as it is: layer 0 has more than one;"):
        layout_of(loaded(family))


class _Calls:
    def __init__(self):
        self.calls = []

    def attended(self, call):
        self.calls.append(copy.copy(call))


def calls_of(model, count=8):
    calls = _Calls()
    with torch.inference_mode(), observed(Layout(model.module, "decoder"), calls):
        model.module(input_ids=torch.tensor([random_ids(count)]))
    return calls.calls


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "gpt_oss", "deepseek_v3"])
def test_a_call_that_tells_all_has_no_fault(family, dtype, loaded):
    calls = calls_of(loaded(family, dtype=dtype))
    assert [fault_of(call, 8, 8) for call in calls] == [None, None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("family", "spoil"),
    [
        ("gpt2", {"output": lambda call: call.output * 0.5}),
        ("gpt2", {"query": lambda call: call.query.roll(1, 1)}),
        ("gpt2", {"causal": lambda _: False}),
        ("gpt2", {"scaling": lambda call: call.scaling * 3}),
        ("llama", {"key": lambda call: call.key.flip(1)}),
        ("gpt_oss", {"sinks": lambda _: None}),
    ],
    ids=["output", "head", "causal", "scale", "group", "sinks"],
)
def test_a_call_that_hides_something_has(family, spoil, dtype, loaded):
    (call, *_) = calls_of(loaded(family, dtype=dtype))
    for name, change in spoil.items():
        setattr(call, name, change(call))
    assert fault_of(call, 8, 8) == "layer 0 does more than to weigh values"


@pytest.mark.parametrize("counts", [(7, 8), (8, 7), (7, 7)])
def test_a_call_with_other_tokens_than_the_texts_has(counts, loaded):
    (call, *_) = calls_of(loaded("gpt2"))
    assert fault_of(call, *counts) == "layer 0 attends to something else than the tokens of the text"


def test_nothing_that_is_no_number_passes(loaded):
    (call, *_) = calls_of(loaded("gpt2"))
    call.output = call.output * torch.nan
    assert fault_of(call, 8, 8) is not None


def test_a_text_of_which_queries_are_missing_is_refused(loaded, monkeypatch):
    """As it is with a family that reads long texts in another way than the short one it was tried with."""
    model = loaded("gpt2")
    layout_of(model)

    class Blind(Recorder):
        def attended(self, call):
            call.query = call.query[:, :, -1:]
            super().attended(call)

    monkeypatch.setattr(recording, "Recorder", Blind)
    with pytest.raises(ModelUnsupported, match="cannot be shown: layer 0 has 1 queries for a text of 40 tokens"):
        capture_of(model, random_ids(N_TOKENS))


def test_reading_in_pieces_is_tried_before_it_is_relied_on(loaded, monkeypatch):
    model = loaded("llama")
    assert layout_of(model).in_pieces
    monkeypatch.setattr(model, "layout", None)
    monkeypatch.setattr(probe, "agree", lambda *_: False)
    assert not layout_of(model).in_pieces
