"""Hidden states are transformers' own, of every kind of model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel.attention.capture import Text
from gpt_notebook.model_kernel.attention.hidden import HiddenStates
from model_kernel.attention.computing import array_of, run
from model_kernel.attention.hooked import CLEAN, plain

TARGET = (0, 61, 17, 5)


@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "gpt_neo", "openai-gpt", "lfm2"])
def test_those_of_a_causal_model(family, tiny, loaded):
    with torch.inference_mode():
        expected = plain(tiny(family))(torch.tensor([CLEAN]), output_hidden_states=True).hidden_states
    for layer, states in enumerate(expected):
        assert (
            np.abs(array_of(HiddenStates(loaded(family), Text(tuple(CLEAN)), layer)) - states[0].numpy()).max() <= 1e-5
        )
    assert (states - expected[0]).abs().max() >= 1e-3


def test_those_of_a_long_text_come_in_pieces(tiny, loaded):
    options, text = {"family": "mistral", "max_position_embeddings": 512}, CLEAN * 5
    with torch.inference_mode():
        expected = plain(tiny(**options))(torch.tensor([text]), output_hidden_states=True).hidden_states[1][0]
    work = HiddenStates(loaded(**options), Text(tuple(text)), 1)
    assert len(run(work, seconds=1e-9)) > 3
    made = array_of(HiddenStates(loaded(**options), Text(tuple(text)), 1), seconds=1e-9)
    assert np.abs(made - expected.numpy()).max() <= 1e-5


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_those_of_a_masked_model(family, tiny, loaded):
    reference = transformers.AutoModelForMaskedLM.from_pretrained(tiny(family)).eval()
    with torch.inference_mode():
        expected = reference(torch.tensor([CLEAN]), output_hidden_states=True).hidden_states
    made = array_of(HiddenStates(loaded(family), Text(tuple(CLEAN)), 2, part="encoder"))
    assert np.abs(made - expected[2][0].numpy()).max() <= 1e-5


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_those_of_both_halves_of_an_encoder_decoder(family, tiny, loaded):
    reference = transformers.AutoModelForSeq2SeqLM.from_pretrained(tiny(family)).eval()
    with torch.inference_mode():
        out = reference(
            input_ids=torch.tensor([CLEAN]), decoder_input_ids=torch.tensor([TARGET]), output_hidden_states=True
        )
    for part, expected in (
        ("encoder", out.encoder_hidden_states),
        ("decoder", out.decoder_hidden_states),
        ("cross", out.decoder_hidden_states),
    ):
        for layer, states in enumerate(expected):
            made = array_of(HiddenStates(loaded(family), Text(tuple(CLEAN), TARGET), layer, part=part))
            assert np.abs(made - states[0].numpy()).max() <= 1e-5


def test_bfloat16_is_given_as_float32(loaded):
    made = array_of(HiddenStates(loaded("gpt2", dtype=torch.bfloat16), Text(tuple(CLEAN)), 0))
    assert made.shape == (len(CLEAN), 32)


@pytest.mark.parametrize("layer", [-1, 3])
def test_one_that_is_not_there_is_refused_with_those_that_are(layer, loaded):
    for family in ("gpt2", "bert"):
        with pytest.raises(InvalidRequest, match=rf"no hidden state {layer} in .*: they go from 0 .* to 2"):
            run(HiddenStates(loaded(family), Text(tuple(CLEAN)), layer))
