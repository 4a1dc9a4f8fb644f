"""Which families keep packed samples apart. Found in transformers 5; a change of this table is a change of transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from model_kernel.tiny_models import class_of, config_of

from gpt_notebook.training import packing

APART = ("gpt2", "gpt_neox", "llama", "qwen3", "gemma3_text", "phi3")
LEAKING = ("opt", "bloom", "falcon", "mpt", "gpt_oss", "mamba")


def model_of(family):
    torch.manual_seed(0)
    return class_of(family).from_config(config_of(family, 64))


@pytest.mark.parametrize("family", APART)
def test_families_that_keep_samples_apart_are_found(family):
    assert packing.keeps_apart(model_of(family))


@pytest.mark.parametrize("family", LEAKING)
def test_families_that_read_on_from_one_sample_into_the_next_are_found(family):
    assert not packing.keeps_apart(model_of(family))


@pytest.mark.parametrize(("family", "apart"), [("llama", True), ("falcon", False)])
def test_a_half_precision_hides_nothing(family, apart):
    assert packing.keeps_apart(model_of(family).to(torch.bfloat16)) is apart


def test_a_model_that_fails_at_it_is_padded():
    model = model_of("llama")
    model.forward = None
    assert not packing.keeps_apart(model)


@pytest.mark.parametrize("training", [True, False])
def test_the_trial_leaves_the_model_as_it_was(training):
    model = model_of("gpt2").train(training)
    before = torch.get_rng_state()
    packing.keeps_apart(model)
    assert model.training is training
    assert torch.equal(torch.get_rng_state(), before)


def pays(sizes, **options):
    sizes = np.array(sizes)
    return packing.pays(
        sizes, **{"batch_size": 8, "micro_batch_size": 8, "linear": 10**6, "attention": 1000, **options}
    )


def test_packing_pays_where_much_would_be_padded_and_not_where_samples_are_alike():
    assert pays([10] * 7 + [100])
    assert not pays([100] * 8)


def test_packing_does_not_pay_where_attention_is_most_of_the_work():
    assert not pays([900] * 7 + [1000], linear=10**4)
