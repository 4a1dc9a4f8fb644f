from __future__ import annotations

import pytest
import torch
from model_kernel.tiny_models import class_of, config_of

from gpt_notebook.training.outcome import NotFinite
from gpt_notebook.training.samples import collate
from gpt_notebook.training.trial import Trial
from training.planning.same_length import same_length
from training.tiny_jobs import CPU


@pytest.fixture
def model():
    torch.manual_seed(0)
    return class_of("gpt2").from_config(config_of("gpt2", 64, resid_pdrop=0.5)).train()


def trial(model, *, collate_with=collate.padded):
    return Trial(model, collate_with, same_length(8, 5), torch.float32, CPU)


def test_a_trial_takes_its_time_and_leaves_everything_as_it_was(model):
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before = torch.get_rng_state()
    assert 0 < trial(model).seconds_a_sample(4) < 60
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training


def test_the_samples_are_computed_together_as_in_the_training(model):
    sizes = []

    def counted(samples):
        sizes.append(len(samples))
        return collate.padded(samples)

    trial(model, collate_with=counted).seconds_a_sample(4)
    assert set(sizes) == {4}


def test_where_the_memory_does_not_suffice_no_time_is_known(model):
    def short(_samples):
        message = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
        raise RuntimeError(message)

    assert trial(model, collate_with=short).seconds_a_sample(4) is None


def test_what_else_goes_wrong_is_not_taken_for_a_lack_of_memory(model):
    def broken(_samples):
        message = "shapes cannot be multiplied"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        trial(model, collate_with=broken).seconds_a_sample(4)


def test_a_model_that_computes_nan_is_found_before_it_is_trained(model):
    model.register_forward_hook(_spoil)
    with pytest.raises(NotFinite, match="the loss is nan"):
        trial(model).seconds_a_sample(4)


def _spoil(_module, _arguments, out):
    out.logits = out.logits * float("nan")
    return out
