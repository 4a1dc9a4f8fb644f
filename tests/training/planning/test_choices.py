from __future__ import annotations

import pytest

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.training.planning import choices


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
    ("options", "room", "size"),
    [
        ({}, 1000, 8),
        ({}, 79, 4),
        ({}, 35, 2),
        ({}, -5, 1),
        ({"batch_size": 6}, 59, 3),
        ({"batch_size": 12, "micro_batch_size": 5}, 0, 4),
    ],
)
def test_as_many_samples_are_computed_together_as_fit_and_divide_a_step(options, room, size):
    assert choices.micro_batch_size(JobOptions(**options), 100, bytes_each=10, room=room) == size


@pytest.mark.parametrize(
    ("number", "most", "divisor"), [(12, 5, 4), (12, 100, 12), (7, 6, 1), (16, 4, 4), (100_000_007, 100_000_006, 1)]
)
def test_the_largest_divisor_is_found_without_counting(number, most, divisor):
    assert choices.largest_divisor(number, most) == divisor
