"""How a model's attention can be seen is found out by looking, once."""

from __future__ import annotations

import pytest
import torch

from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel.attention import probe
from gpt_notebook.model_kernel.attention.probe import layout_of
from model_kernel.families import CAUSAL, ENCODER_DECODER, MASKED

ONLY_WEIGHTS = {"gpt_neo", "gptj", "codegen", "bloom", "mpt", "openai-gpt", "xglm"}
"""Families that show nothing of what goes into their scores but queries and keys."""
PAST_THE_INTERFACE = ONLY_WEIGHTS | {"falcon", "falcon-alibi"}
IN_ONE_GO = PAST_THE_INTERFACE | {"lfm2"} | set(MASKED) | set(ENCODER_DECODER)
GROUPED = {
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3_text",
    "phi3",
    "gpt_oss",
    "olmo2",
    "starcoder2",
    "lfm2",
}


@pytest.fixture
def fresh(loaded, monkeypatch):
    """Returns a family's model, of whose attention nothing is known."""

    def make(family, **options):
        model = loaded(family, **options)
        monkeypatch.setattr(model, "layout", None)
        return model

    return make


@pytest.mark.parametrize("family", [family for family in CAUSAL | MASKED if family != "mamba"])
def test_a_family_is_known_by_what_it_shows(family, fresh):
    layout = layout_of(fresh(family))
    assert layout.recordable is (family not in ONLY_WEIGHTS)
    assert layout.tapped is (family in PAST_THE_INTERFACE)
    assert layout.in_pieces is (family not in IN_ONE_GO)
    ((part, heads),) = layout.parts.items()
    assert part == ("encoder" if family in MASKED else "decoder")
    layers = [1] if family == "lfm2" else [0, 1]
    assert heads.count == dict.fromkeys(layers, 4)
    key_heads = {"falcon": 1}.get(family, 2 if family in GROUPED else 4)
    assert heads.key_count == dict.fromkeys(layers, key_heads)
    assert layout.n_layers == layout.layers(part) == 2


@pytest.mark.parametrize(("family", "heads"), [("t5", 4), ("bart", 2)])
def test_an_encoder_decoder_has_three_kinds(family, heads, fresh):
    layout = layout_of(fresh(family))
    assert {part: found.count for part, found in layout.parts.items()} == {
        "encoder": {0: 4, 1: 4},
        "decoder": {0: heads, 1: heads, 2: heads},
        "cross": {0: heads, 1: heads, 2: heads},
    }
    assert [layout.layers(part) for part in ("encoder", "decoder", "cross")] == [2, 3, 3]


def test_the_halves_of_an_encoder_decoder_have_as_many_layers_as_they_have(fresh):
    layout = layout_of(fresh("bart", encoder_layers=3, decoder_layers=1))
    assert layout.n_layers == 3
    assert {part: layout.layers(part) for part in layout.parts} == {"encoder": 3, "decoder": 1, "cross": 1}


def test_what_scores_are_multiplied_by_is_told(fresh):
    assert layout_of(fresh("gpt2")).parts["decoder"].scaling == {0: 8**-0.5, 1: 8**-0.5}
    assert layout_of(fresh("gpt_neo")).parts["decoder"].scaling == {0: None, 1: None}


def test_a_model_without_attention_is_refused_by_name(tiny, fresh):
    with pytest.raises(ModelUnsupported, match=rf"attention of {tiny('mamba')} \(mamba\) is not there: it has none"):
        layout_of(fresh("mamba"))


def test_attention_that_is_never_a_softmax_cannot_be_seen(fresh, monkeypatch):
    """As it would be with a kernel of the model's own, here in one of its layers."""
    model = fresh("gptj")
    attention = model.module.transformer.h[1].attn
    monkeypatch.setattr(attention, "_attn", lambda query, key, value, *_: (torch.zeros_like(value), None))
    with pytest.raises(ModelUnsupported, match=r"\(gptj\) cannot be seen; choose another model"):
        layout_of(model)


def test_it_is_found_out_once(fresh, monkeypatch):
    model = fresh("gpt2")
    first = layout_of(model)
    monkeypatch.setattr(probe, "_probed", None)
    assert layout_of(model) is first


@pytest.mark.parametrize("family", ["albert", "diffllama"])
def test_layers_that_attend_more_than_once_are_refused(family, loaded):
    with pytest.raises(ModelUnsupported, match=rf"\({family}\) cannot be shown as it is: layer 0 has more than one;"):
        layout_of(loaded(family))


def test_reading_in_pieces_is_tried_before_it_is_relied_on(fresh, monkeypatch):
    model = fresh("llama")
    assert layout_of(model).in_pieces
    monkeypatch.setattr(model, "layout", None)
    monkeypatch.setattr(probe, "agree", lambda *_: False)
    assert not layout_of(model).in_pieces
