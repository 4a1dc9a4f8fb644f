from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from model_kernel.families import CAUSAL
from model_kernel.tiny_models import byte_level_tokenizer, class_of, config_of
from training.in_this_process import InThisProcess
from training.planning.same_length import same_length

from gpt_notebook import storyteller
from gpt_notebook.job_protocol import JobOptions, LoraOptions
from gpt_notebook.training import loss as losses
from gpt_notebook.training.planning import estimate, rehearsal
from gpt_notebook.training.samples import collate, samples

STORYTELLER = Path(storyteller.__file__).parent
CPU = torch.device("cpu")


def told(config, found, *, method="lora", tokens_per_second=100.0, free=10**12, **options):
    return estimate.estimate(
        config,
        found,
        JobOptions(method=method, **options),
        dtype=torch.float32,
        device=CPU,
        free=free,
        tokens_per_second=tokens_per_second,
    )


@pytest.fixture(scope="module")
def found():
    rows = [{"text": f"The fox {i}"} for i in range(20)]
    return samples.encode(rows, byte_level_tokenizer(), max_length=32, templates=InThisProcess())


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_memory_that_was_told_is_the_memory_that_is_taken(method):
    """Within a factor of 2, as the operating system counts it, everything included."""
    config = transformers.AutoConfig.from_pretrained(STORYTELLER)
    expected = told(config, same_length(8, 128), method=method, batch_size=4).bytes
    program = Path(__file__).with_name("measured_training.py")
    command = [sys.executable, str(program), str(STORYTELLER), method]
    taken = int(subprocess.run(command, check=True, capture_output=True).stdout)
    assert taken / 2 < expected < taken * 2


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_rehearsal_holds_what_a_pass_with_numbers_holds(method, dtype):
    torch.manual_seed(0)
    config = config_of("llama", 320)
    rehearsed = rehearsal.rehearse(config, JobOptions(method=method), dtype=dtype, shape=(2, 48), counted=90)
    model = class_of("llama").from_config(config).train()
    if method == "lora":
        model = model.to(dtype).requires_grad_(requires_grad=False)
        rehearsal._add_adapter(model, JobOptions())
    passed = rehearsal._pass(model, dtype, (2, 48), 90)
    gradients = sum(each.grad.nbytes for each in model.parameters() if each.grad is not None)
    assert rehearsed.gradients == gradients
    assert rehearsed.activations == pytest.approx(passed.peak - gradients, rel=0.15)
    assert rehearsed.trainable == sum(each.numel() for each in model.parameters() if each.requires_grad)


@pytest.mark.parametrize("family", CAUSAL)
def test_something_is_told_of_every_family(family, found):
    made = told(config_of(family, len(byte_level_tokenizer())), found)
    assert made.weights > 0
    assert made.activations > 0
    assert made.bytes > made.weights + made.training_state + made.activations


def test_what_changes_takes_its_gradient_and_two_moments():
    config = config_of("gpt2", 320)
    full = rehearsal.rehearse(config, JobOptions(method="full"), dtype=torch.float32, shape=(1, 8), counted=7)
    assert full.trainable == full.parameters
    state = told(config, same_length(8, 8), method="full").training_state
    assert state == 3 * 4 * full.parameters


def test_an_adapter_has_the_parameters_that_its_rank_and_targets_say():
    config = config_of("llama", 320)
    every, some = (
        rehearsal.rehearse(config, JobOptions(lora=lora), dtype=torch.float32, shape=(1, 8), counted=7).trainable
        for lora in (LoraOptions(rank=4), LoraOptions(rank=4, targets=("q_proj",)))
    )
    assert some == 2 * 4 * (32 + 32)
    assert every > some


def test_computing_activations_again_takes_less_memory_and_more_time():
    config = config_of("gpt2", 320, n_layer=12)
    kept, again = (
        rehearsal.rehearse(
            config, JobOptions(gradient_checkpointing=each), dtype=torch.float32, shape=(4, 48), counted=40
        )
        for each in (False, True)
    )
    assert again.activations < kept.activations / 2
    assert again.operations > kept.operations


def test_as_many_samples_are_computed_together_as_the_free_memory_allows(found):
    config = config_of("gpt2", len(byte_level_tokenizer()))
    plenty, little = told(config, found), told(config, found, free=0)
    assert little.activations < plenty.activations / 4


def test_time_and_tokens_follow_from_the_steps(found):
    config = config_of("gpt2", len(byte_level_tokenizer()))
    made = told(config, found, epochs=2, batch_size=4)
    assert made.steps == 10
    assert made.tokens == 2 * found.n_tokens
    assert made.seconds == pytest.approx(made.tokens / 100)
    measured = told(config, found, tokens_per_second=None, epochs=2, batch_size=4)
    assert 0 < measured.seconds < 60


def test_nothing_is_drawn_or_left_behind(found):
    before = torch.get_rng_state()
    told(config_of("gpt2", len(byte_level_tokenizer())), found)
    assert torch.equal(torch.get_rng_state(), before)
    assert type(torch.zeros(1)) is torch.Tensor


@pytest.mark.parametrize("counted", [4, 47])
def test_the_rehearsed_loss_takes_what_the_real_one_takes(counted):
    """Also where little counts: with so large a vocabulary, logits of all tokens would take most of the memory."""
    config = config_of("gpt2", 5000)
    options = JobOptions(method="full")
    rehearsed = rehearsal.rehearse(config, options, dtype=torch.float32, shape=(2, 48), counted=2 * counted)
    model = class_of("gpt2").from_config(config).train()
    ids = np.arange(48, dtype=np.int32)
    batch = collate.padded([samples.Sample(ids, ids >= 48 - counted, row) for row in range(2)])
    with rehearsal._Held(beside=[*model.parameters(), *model.buffers()]) as held:
        losses.summed(model, batch, CPU).backward()
    gradients = sum(parameter.grad.nbytes for parameter in model.parameters())
    assert rehearsed.activations == pytest.approx(held.peak - gradients, rel=0.15)
