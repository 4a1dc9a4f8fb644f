"""Which samples belong to which step."""

from __future__ import annotations

import functools
import operator

from gpt_notebook.training.step_batches import StepBatches

SIZES = [3, 9, 4, 8, 5, 7, 6, 2, 1, 10]


def epoch_of(number=0, *, micro_batch_size=2, seed=0):
    return list(StepBatches(SIZES, batch_size=4, micro_batch_size=micro_batch_size, seed=seed, epoch=lambda: number))


def steps_of(passes, *, micro_batch_size):
    """Return the samples of each step."""
    together = 4 // micro_batch_size
    return [
        sorted(functools.reduce(operator.iadd, passes[first : first + together], []))
        for first in range(0, len(passes), together)
    ]


def test_every_sample_comes_once_an_epoch():
    assert sorted(functools.reduce(operator.iadd, epoch_of(), [])) == list(range(len(SIZES)))


def test_a_step_has_the_same_samples_however_many_are_computed_together():
    steps = [steps_of(epoch_of(micro_batch_size=size), micro_batch_size=size) for size in (1, 2, 4)]
    assert steps[0] == steps[1] == steps[2]


def test_samples_of_like_length_share_a_pass():
    for passes in zip(*[iter(epoch_of())] * 2, strict=False):
        lengths = [[SIZES[i] for i in each] for each in passes]
        assert min(lengths[0]) >= max(lengths[1])


def test_epochs_and_seeds_have_orders_of_their_own_that_are_always_the_same():
    assert epoch_of(1) == epoch_of(1)
    assert epoch_of(0) != epoch_of(1) != epoch_of(2)
    assert epoch_of(0) != epoch_of(0, seed=1)


def test_it_knows_how_many_passes_there_are():
    for size in (1, 2, 4):
        assert len(epoch_of(micro_batch_size=size)) == len(
            StepBatches(SIZES, batch_size=4, micro_batch_size=size, seed=0, epoch=int)
        )
