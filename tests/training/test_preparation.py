"""What is there before the first step."""

from __future__ import annotations

import pytest
import torch
import transformers

from gpt_notebook.training import base_model, preparation
from gpt_notebook.training.past import Past
from gpt_notebook.training.planning import estimate
from gpt_notebook.training.preparation import prepare
from training.tiny_jobs import CPU, make_job, rows


@pytest.fixture
def job(tmp_path, certain_base):
    return make_job(tmp_path, certain_base, rows(24), batch_size=8, save_every=5, max_steps=6)


def prepared(job, past=None):
    return prepare(job, past or Past(), device=CPU, checkpoint=None)


def alone(workshop):
    """What a single sample takes."""
    return estimate.estimate(
        transformers.AutoConfig.from_pretrained(workshop.spec.source),
        workshop.training,
        workshop.options,
        dtype=torch.float32,
        device=CPU,
        free=0,
        tokens_per_second=1.0,
        micro_batch_size=1,
    )


@pytest.fixture
def memory_of(monkeypatch):
    """Give the machine so much memory, of which the model takes its part when it is loaded."""

    def give(free):
        taken = []
        load_model = base_model.load_model

        def load(*arguments, **options):
            model = load_model(*arguments, **options)
            taken.append(sum(parameter.nbytes for parameter in model.parameters()))
            return model

        monkeypatch.setattr(base_model, "load_model", load)
        monkeypatch.setattr(preparation, "free_memory", lambda _: free - sum(taken))

    return give


@pytest.mark.parametrize("fitting", [8, 4, 1])
def test_weights_take_their_part_of_the_free_memory_once(job, memory_of, fitting):
    one = alone(prepared(job))
    free = one.weights + one.training_state + fitting * one.activations
    memory_of(free)
    workshop = prepared(job)
    assert workshop.recipe.micro_batch_size == fitting
    assert workshop.estimate.free == free


def test_an_attempt_computes_no_more_together_than_sufficed_before(job):
    assert prepared(job).recipe.micro_batch_size == 8
    assert prepared(job, Past(micro_batch_size=2)).recipe.micro_batch_size == 2


def test_the_workshop_has_what_the_recipe_says(job):
    workshop = prepared(job)
    assert (workshop.recipe.max_steps, workshop.recipe.batch_size, workshop.recipe.save_every) == (6, 8, 5)
    assert workshop.dtype == torch.float32
    assert workshop.estimate.steps == 6
    assert workshop.validation is None
