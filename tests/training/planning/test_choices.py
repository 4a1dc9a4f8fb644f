from __future__ import annotations

import pytest
import torch

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.training.planning import choices, machine

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("asked", "context", "length"),
    [(None, 512, 512), (None, 100_000, 1024), (None, 0, 1024), (64, 512, 64), (64, 0, 64)],
)
def test_samples_are_as_long_as_asked_for_and_no_longer_than_the_model_reads(asked, context, length):
    assert choices.max_length(JobOptions(max_length=asked), context) == length


def test_more_than_the_model_reads_is_refused():
    with pytest.raises(InvalidRequest, match="max_length is 513, and the model reads at most 512 tokens"):
        choices.max_length(JobOptions(max_length=513), 512)


@pytest.mark.parametrize(
    ("options", "n_samples", "steps"),
    [
        ({"epochs": 2, "batch_size": 8}, 16, 4),
        ({"epochs": 2, "batch_size": 8}, 17, 6),
        ({"epochs": 0.5, "batch_size": 8}, 64, 4),
        ({"epochs": 0.01, "batch_size": 8}, 8, 1),
        ({"epochs": 2, "max_steps": 7}, 16, 7),
        ({}, 80, 30),
        ({}, 3, 3),
    ],
)
def test_epochs_become_steps(options, n_samples, steps):
    assert choices.steps(JobOptions(**options), n_samples) == steps


@pytest.mark.parametrize(
    ("options", "fitting", "size"),
    [
        ({}, 100, 8),
        ({}, 7, 4),
        ({}, 3, 2),
        ({}, -1, 1),
        ({}, None, 8),
        ({"batch_size": 6}, 5, 3),
        ({"batch_size": 12, "micro_batch_size": 5}, 0, 4),
    ],
)
def test_as_many_samples_are_computed_together_as_fit_and_divide_a_step(options, fitting, size):
    chosen = choices.micro_batch_size(JobOptions(**options), 100, longest=10, device=CPU, fitting=fitting)
    assert chosen == size


@pytest.mark.parametrize(
    ("device", "longest", "size"), [("cpu", 512, 8), ("cpu", 1024, 4), ("cpu", 9000, 1), ("cuda", 1024, 32)]
)
def test_no_more_tokens_are_computed_together_than_make_it_faster(device, longest, size):
    options = JobOptions(batch_size=32)
    chosen = choices.micro_batch_size(options, 100, longest=longest, device=torch.device(device), fitting=None)
    assert chosen == size


def test_what_was_asked_for_may_be_more_than_makes_it_faster():
    options = JobOptions(batch_size=32, micro_batch_size=16)
    assert choices.micro_batch_size(options, 100, longest=1024, device=CPU, fitting=1) == 16


@pytest.mark.parametrize(("speedup", "dtype"), [(1.2, "float32"), (1.4, "bfloat16")])
def test_a_cpu_computes_large_models_in_bfloat16_where_that_is_much_faster(speedup, dtype, monkeypatch):
    speeds = {torch.float32: 1e9, torch.bfloat16: speedup * 1e9}
    monkeypatch.setattr(machine, "measured_flops", lambda dtype, _device: speeds[dtype])
    assert choices.dtype(JobOptions(), 10**9, CPU) == dtype


def test_small_models_are_computed_in_float32_and_nothing_is_measured(monkeypatch):
    monkeypatch.delattr(machine, "measured_flops")
    assert choices.dtype(JobOptions(), 10**6, CPU) == "float32"
    assert choices.dtype(JobOptions(dtype="bfloat16"), 10**6, CPU) == "bfloat16"


@pytest.mark.parametrize(("supported", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_computes_large_models_in_bfloat16_where_it_can(supported, dtype, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert choices.dtype(JobOptions(), 10**9, torch.device("cuda")) == dtype


def test_float16_is_refused_on_a_cpu():
    with pytest.raises(InvalidRequest, match="float16 is slow on a CPU"):
        choices.dtype(JobOptions(dtype="float16"), 10**6, CPU)
    assert choices.dtype(JobOptions(dtype="float16"), 10**6, torch.device("cuda")) == "float16"


@pytest.mark.parametrize(
    ("number", "most", "divisor"), [(12, 5, 4), (12, 100, 12), (7, 6, 1), (16, 4, 4), (100_000_007, 100_000_006, 1)]
)
def test_the_largest_divisor_is_found_without_counting(number, most, divisor):
    assert choices.largest_divisor(number, most) == divisor
