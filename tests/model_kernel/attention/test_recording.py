"""A text's attention is recorded whole, or it is refused: also for families that do more than their calls tell."""

from __future__ import annotations

import pytest
import torch
import transformers

from gpt_notebook.errors import ModelUnsupported
from gpt_notebook.model_kernel.attention import recording
from gpt_notebook.model_kernel.attention.probe import layout_of
from gpt_notebook.model_kernel.attention.recorder import Recorder
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.sequence import Sequence
from gpt_notebook.model_kernel.served import Served
from model_kernel.attention.computing import capture_of, random_ids, whole_maps
from model_kernel.attention.eager import attentions, eager, largest_error

N_TOKENS = 40


def test_layers_without_keys_of_their_own_have_all_their_queries(tiny, loaded):
    model, ids = loaded("gemma4_text"), random_ids(N_TOKENS)
    theirs = eager(tiny("gemma4_text"), transformers.AutoModelForCausalLM, input_ids=torch.tensor([ids]))
    ours = whole_maps(MapSource(capture_of(model, ids), Served(model)))
    assert largest_error(ours, attentions(theirs.attentions)) <= 1e-5


def test_so_they_have_while_text_is_generated(loaded):
    model, ids = loaded("gemma4_text"), random_ids(N_TOKENS)
    sequence = Sequence(model, Recorder(N_TOKENS))
    logits = sequence.read(ids)
    assert torch.allclose(logits, Sequence(model).read(ids), atol=1e-4)
    assert [layer.blocks[-1].stop for layer in sequence.recorder.cut(N_TOKENS).values()] == [N_TOKENS] * 4


def test_an_encoder_past_the_interface_is_seen_through_its_softmax(tiny, loaded):
    model, ids = loaded("mpnet"), random_ids(N_TOKENS)
    layout = layout_of(model)
    assert (layout.tapped, layout.recordable, list(layout.parts)) == (True, False, ["encoder"])
    theirs = eager(tiny("mpnet"), transformers.AutoModelForMaskedLM, input_ids=torch.tensor([ids]))
    ours = whole_maps(MapSource(capture_of(model, ids), Served(model)), "encoder")
    assert largest_error(ours, attentions(theirs.attentions)) <= 1e-5


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
