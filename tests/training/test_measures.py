from __future__ import annotations

import math

import pytest
import torch
from model_kernel.families import CAUSAL, PECULIAR
from model_kernel.tiny_models import byte_level_tokenizer, class_of, config_of

from gpt_notebook.training import measures
from gpt_notebook.training.measures import Measured
from gpt_notebook.training.samples import collate, samples
from training.in_this_process import InThisProcess

ROWS = [
    {"prompt": "Once upon a time", "completion": " was a fox"},
    {"prompt": "The", "completion": " fox went to the river, and so"},
    {"prompt": "A", "completion": "b"},
    {"prompt": "Every morning the fox", "completion": " came home."},
]


@pytest.fixture(scope="module")
def found():
    return samples.encode(ROWS, byte_level_tokenizer(), max_length=60, templates=InThisProcess())


def model_of(family, **config):
    torch.manual_seed(0)
    return class_of(family).from_config(config_of(family, len(byte_level_tokenizer()), **config)).eval()


@torch.no_grad()
def offline(model, each):
    """What transformers itself says of a sample: its loss, and how often it is right."""
    batch = collate.padded([each])
    out = model(input_ids=batch["input_ids"], labels=batch["labels"])
    counted = batch["labels"][0, 1:] != collate.IGNORED
    right = out.logits[0, :-1].argmax(-1) == batch["input_ids"][0, 1:]
    n_counted = int(counted.sum())
    return float(out.loss) * n_counted, int((right & counted).sum()), n_counted


@pytest.mark.parametrize("family", [*CAUSAL, *(each for each in PECULIAR if each != "hy_v4")])
def test_each_sample_has_the_loss_that_transformers_gives_it_alone(family, found):
    model = model_of(family)
    for each, mine in zip(found, measures.of_each(model, list(found)), strict=True):
        loss, correct, tokens = offline(model, each)
        assert mine.loss_sum == pytest.approx(loss, rel=1e-4)
        assert (mine.correct, mine.tokens) == (correct, tokens)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("micro_batch", [1, 3, 8])
def test_every_counted_token_weighs_the_same(found, micro_batch, packed):
    model = model_of("gpt2")
    whole = measures.measure(model, found, micro_batch=micro_batch, packed=packed)
    loss, correct, tokens = (sum(column) for column in zip(*(offline(model, each) for each in found), strict=True))
    assert whole.tokens == tokens == found.n_counted
    assert whole.loss == pytest.approx(loss / tokens, rel=1e-5)
    assert whole.accuracy == correct / tokens
    assert whole.perplexity == pytest.approx(math.exp(loss / tokens), rel=1e-4)


def test_logits_in_pieces_say_the_same(found, monkeypatch):
    model = model_of("gpt2")
    at_once = measures.measure(model, found)
    monkeypatch.setattr(measures, "AT_ONCE", 1000)
    assert measures.measure(model, found).loss_sum == pytest.approx(at_once.loss_sum, rel=1e-6)


def test_where_nothing_counts_no_logits_are_computed(found):
    model = model_of("gpt2")
    seen = []
    model.lm_head.register_forward_hook(lambda _module, _arguments, out: seen.append(out.shape[-2]))
    measures.measure(model, found, micro_batch=4)
    assert sum(seen) == found.n_counted


def test_dropout_is_off_while_it_measures_and_on_again_afterwards(found):
    model = model_of("gpt2", resid_pdrop=0.5).train()
    model.transformer.h[0].eval()
    first, second = (measures.measure(model, found) for _ in range(2))
    assert first == second
    assert model.training
    assert not model.transformer.h[0].training


def test_somebody_can_look_in_between_batches(found):
    looks = []
    measures.measure(model_of("gpt2"), found, micro_batch=1, between=lambda: looks.append(1))
    assert len(looks) == len(found)


def test_batches_hold_samples_of_like_length_and_bounded_logits(monkeypatch):
    monkeypatch.setattr(measures, "MOST_LOGITS", 300)
    sizes = torch.tensor([50, 3, 10, 4, 10, 2, 9]).numpy()
    made = list(measures.batches(sizes, 3, vocabulary=10))
    assert sorted(index for batch in made for index in batch) == list(range(7))
    for batch in made:
        assert len(batch) == 1 or len(batch) * sizes[batch].max() * 10 <= 300
    assert made[-1] == [0]


def test_no_loss_is_too_large_for_a_perplexity_and_none_is_no_number():
    assert Measured(1e6, 0, 1).perplexity == math.inf
    assert math.isnan(Measured().loss)
    assert math.isnan(Measured().accuracy)
