from __future__ import annotations

import pytest
from training.planning.same_length import same_length

from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.training.planning import recipe
from gpt_notebook.training.planning.recipe import REMEMBERED

STORYTELLER = 3_000_000
BILLION = 10**9


def made(n_samples=80, *, validation=None, seconds_a_sample=0.5, trainable=10**6, **options):
    return recipe.make(
        JobOptions(**options),
        same_length(n_samples, 10),
        validation,
        max_length=10,
        trainable=trainable,
        parameters=STORYTELLER,
        dtype="float32",
        packing=False,
        micro_batch_size=4,
        seconds_a_sample=seconds_a_sample,
    )


@pytest.mark.parametrize(
    ("method", "parameters", "rate"),
    [
        ("lora", STORYTELLER, 8e-3),
        ("lora", 30_000_000, 2e-3),
        ("lora", 350_000_000, 4e-4),
        ("lora", BILLION, 2e-4),
        ("full", STORYTELLER, 2e-3),
        ("full", BILLION, 1e-5),
    ],
)
def test_the_learning_rate_falls_with_the_size_of_the_model(method, parameters, rate):
    assert recipe.learning_rate_for(method, parameters) == rate


@pytest.mark.parametrize(("method", "highest", "lowest"), [("lora", 8e-3, 1e-4), ("full", 2e-3, 5e-6)])
def test_the_smallest_and_the_largest_models_stay_within_the_rates_that_are_known(method, highest, lowest):
    assert recipe.learning_rate_for(method, 1) == highest
    assert recipe.learning_rate_for(method, 400 * BILLION) == lowest


def test_what_was_asked_for_is_what_is_done():
    asked = {
        "learning_rate": 1e-4,
        "max_steps": 7,
        "warmup_steps": 3,
        "save_every": 2,
        "validate_every": 5,
        "probe_every": 6,
        "batch_size": 16,
    }
    chosen = made(**asked).chosen()
    assert {name: chosen[name] for name in asked} == asked
    assert chosen["epochs"] is None


def test_a_minute_of_work_is_at_risk_whatever_a_sample_takes():
    assert made(seconds_a_sample=0.5, batch_size=8).save_every == 15
    assert made(seconds_a_sample=0.05, batch_size=8).save_every == 150
    assert made(seconds_a_sample=100.0, batch_size=8).save_every == 1


def test_large_checkpoints_are_saved_less_often_and_so_take_little_of_the_time():
    trainable = 10**9
    seconds_of_saving = recipe.ADAM_BYTES * trainable / recipe.DISK_SPEED
    save_every = made(trainable=trainable, seconds_a_sample=0.5, batch_size=8).save_every
    assert save_every == pytest.approx(seconds_of_saving / recipe.SAVING_SHARE / 4, abs=1)


def test_steps_are_saved_also_where_no_time_is_known():
    assert made(seconds_a_sample=None, batch_size=8).save_every == 7


def test_validations_are_ten_unless_their_data_are_large():
    assert made(800, validation=same_length(2, 10)).validate_every == 30
    # 9,000 samples without gradients take as long as 3,000 with them, which are 375 steps of 8.
    large = made(800, validation=same_length(9_000, 10))
    assert large.validate_every == pytest.approx(375 / recipe.VALIDATION_SHARE, abs=1)


def test_a_warm_up_is_a_twentieth_and_at_most_a_hundred_steps():
    assert made(max_steps=200).warmup_steps == 10
    assert made(max_steps=10_000).warmup_steps == 100


def test_an_attempt_that_goes_on_chooses_what_the_first_one_chose():
    first = made()
    options = recipe.settled(JobOptions(), first.chosen())
    assert {name: getattr(options, name) for name in REMEMBERED} == {name: first.chosen()[name] for name in REMEMBERED}
    assert options.epochs == first.epochs
    assert options.max_steps is None


def test_what_is_asked_for_now_goes_before_what_was_chosen():
    options = recipe.settled(JobOptions(learning_rate=1e-5, max_steps=9), made().chosen())
    assert options.learning_rate == 1e-5
    assert options.max_steps == 9
    assert options.epochs is None
