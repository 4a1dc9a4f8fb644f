"""The learning rate of every step."""

from __future__ import annotations

import math

import pytest
import torch

from gpt_notebook.training.schedule import Change, Plan, PlannedRate


def plan(schedule="linear", *, warmup_steps=0, max_steps=10, changes=()):
    return Plan(schedule, learning_rate=1.0, warmup_steps=warmup_steps, max_steps=max_steps, changes=changes)


def rates(made, steps=10):
    return [made.rate(done) for done in range(steps)]


def test_it_rises_in_equal_parts_and_never_starts_at_nothing():
    assert rates(plan("constant", warmup_steps=4), 6) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_a_straight_line_is_the_one_of_transformers_without_its_warm_up():
    assert rates(plan()) == pytest.approx([1 - done / 10 for done in range(10)])
    assert rates(plan(warmup_steps=2))[2:] == pytest.approx([1 - done / 8 for done in range(8)])


def test_a_cosine_falls_from_the_highest_to_almost_nothing():
    found = rates(plan("cosine"))
    assert found == pytest.approx([0.5 * (1 + math.cos(math.pi * done / 10)) for done in range(10)])


def test_a_rate_that_is_set_holds_from_the_step_after_and_ends_the_warm_up():
    made = plan(warmup_steps=5, changes=[Change(step=2, learning_rate=4.0)])
    assert made.rate(1) == pytest.approx(2 / 6)
    assert [made.rate(done) for done in (2, 6, 10)] == pytest.approx([4.0, 2.0, 0.0])


def test_an_end_that_moves_is_known_only_from_then_on():
    made = plan(changes=[Change(step=5, max_steps=20)])
    assert [made.max_steps(done) for done in (4, 5)] == [10, 20]
    assert [made.rate(done) for done in (4, 5)] == pytest.approx([0.6, 0.75])


def test_beyond_the_end_there_is_nothing_left_and_nothing_fails():
    assert plan().rate(15) == 0.0
    assert plan(max_steps=1, warmup_steps=1).rate(0) == pytest.approx(0.5)


def test_an_optimizer_gets_the_rates_and_its_state_is_a_count():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    made = plan()
    rate = PlannedRate(optimizer, made)
    seen = []
    for _ in range(3):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        rate.step()
    assert seen == rates(made, 3)
    assert rate.state_dict() == {"last_epoch": 3}
    other = PlannedRate(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), made)
    other.load_state_dict(rate.state_dict())
    assert other.get_last_lr() == [made.rate(3)]
    made.change(Change(step=3, learning_rate=9.0))
    other.refresh()
    assert other.optimizer.param_groups[0]["lr"] == 9.0
