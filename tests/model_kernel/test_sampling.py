from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from gpt_notebook.errors import ModelDamaged
from gpt_notebook.model_kernel import sampling
from gpt_notebook.protocol import SamplingOptions

LOGITS = torch.randn(200, generator=torch.Generator().manual_seed(0)) * 3
ROW = LOGITS.numpy()


def transformers_distribution(logits, *, temperature, top_k, top_p):
    """The probabilities (vocabulary,) after transformers' own processors."""
    warpers = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_k:
        warpers.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    return warpers(None, logits[None].clone())[0].double().softmax(-1)


def our_distribution(row, **options):
    """Ours, (vocabulary,), with 0 for what is left out."""
    ids, probabilities = sampling.kept(row, SamplingOptions(**options))
    full = np.zeros(len(row))
    full[ids] = probabilities
    return full


@pytest.mark.parametrize("scale", [0.0, 0.01, 1.0, 4.0])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("top_k", [0, 1, 10, 500])
@pytest.mark.parametrize("top_p", [0.05, 0.8, 0.9999, 1.0])
def test_the_distribution_is_that_of_transformers(scale, temperature, top_k, top_p):
    logits = LOGITS * scale + torch.arange(200) * 1e-4  # no ties, of which either may be left out
    expected = transformers_distribution(logits, temperature=temperature, top_k=top_k, top_p=top_p)
    found = our_distribution(logits.numpy(), temperature=temperature, top_k=top_k, top_p=top_p)
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=1e-5)


def test_top_k_keeps_all_that_are_as_probable_as_the_last():
    row = np.array([1, 3, 2, 2, 0], np.float32)
    assert set(sampling.kept(row, SamplingOptions(top_k=2, top_p=1))[0]) == {1, 2, 3}


@pytest.mark.parametrize("temperature", [1e-30, 1e-50, 5e-324])
def test_a_tiny_temperature_takes_the_most_probable_token(temperature):
    found = our_distribution(ROW, temperature=temperature)
    assert found.argmax() == ROW.argmax()
    assert found.max() == pytest.approx(1)


@pytest.mark.parametrize("top_p", [1e-9, 1e-50, 5e-324])
def test_a_tiny_top_p_keeps_one_token(top_p):
    assert list(sampling.kept(ROW, SamplingOptions(top_p=top_p))[0]) == [ROW.argmax()]


def test_zero_temperature_draws_nothing():
    draws = Random(0)
    before = draws.getstate()
    assert sampling.choose(ROW, SamplingOptions(temperature=0), draws).token_id == ROW.argmax()
    assert draws.getstate() == before


def chi_square(counts, probabilities):
    """Pearson's statistic over the tokens that can come; the others must not have come."""
    possible = probabilities > 0
    assert counts[~possible].sum() == 0
    expected = probabilities[possible] * counts.sum()
    return float(((counts[possible] - expected) ** 2 / expected).sum())


@pytest.mark.parametrize(
    "options", [{"top_p": 0.9}, {"top_k": 8, "top_p": 1}, {"top_p": 1}, {"top_k": 12, "top_p": 0.8}]
)
def test_draws_follow_the_distribution_of_transformers_and_of_no_other(options):
    row = np.random.default_rng(1).normal(size=20).astype(np.float32) * 2
    every = {"temperature": 0.9, "top_k": 0, "top_p": 1.0, **options}
    expected = transformers_distribution(torch.from_numpy(row), **every).numpy()
    draws, counts = Random(0), np.zeros(20)
    for _ in range(20_000):
        counts[sampling.choose(row, SamplingOptions(**every), draws).token_id] += 1
    # With 19 degrees of freedom at most, 43.8 is passed once in a thousand runs.
    assert chi_square(counts, expected) < 43.8
    # The control: a somewhat higher temperature would be noticed.
    other = transformers_distribution(torch.from_numpy(row), **{**every, "temperature": 1.1}).numpy()
    if set(np.flatnonzero(other)) == set(np.flatnonzero(expected)):
        assert chi_square(counts, other) > 43.8


def test_logprobs_are_those_of_the_logits_as_they_were():
    choice = sampling.choose(ROW, SamplingOptions(temperature=0.5, top_k=3, logprobs=4), Random(0))
    logprobs = LOGITS.double().log_softmax(-1)
    assert choice.logprob == pytest.approx(float(logprobs[choice.token_id]), abs=1e-6)
    top = choice.considered.top
    assert [i for i, _, _ in top] == logprobs.topk(4).indices.tolist()
    assert [value for _, value, _ in top] == pytest.approx(logprobs.topk(4).values.tolist(), abs=1e-6)


@pytest.mark.parametrize(
    "options", [{"top_k": 3}, {"top_p": 0.5}, {"temperature": 2.5, "top_p": 1.0}, {"temperature": 0}]
)
def test_a_token_is_told_with_how_likely_it_was_drawn_its_rank_and_the_entropy(options):
    every = {"temperature": 0.7, "top_k": 0, "top_p": 0.9, **options}
    choice = sampling.choose(ROW, SamplingOptions(**every, logprobs=20), Random(1))
    model = LOGITS.double().softmax(-1)
    drawn = transformers_distribution(LOGITS, **every) if every["temperature"] else torch.eye(200)[LOGITS.argmax()]
    found = choice.considered
    assert found.probability == pytest.approx(float(drawn[choice.token_id]), abs=1e-6)
    assert [each for _, _, each in found.top] == pytest.approx([float(drawn[i]) for i, _, _ in found.top], abs=1e-6)
    assert found.rank == 1 + int((LOGITS[choice.token_id] < LOGITS).sum())
    assert found.entropy == pytest.approx(float(torch.distributions.Categorical(model).entropy()), abs=1e-5)


def test_tokens_that_a_model_has_ruled_out_have_no_part_in_the_entropy():
    row = np.full(10, -np.inf, np.float32)
    row[[3, 7]] = 1.5
    choice = sampling.choose(row, SamplingOptions(temperature=1, top_p=1, logprobs=3), Random(0))
    assert choice.considered.entropy == pytest.approx(np.log(2))
    assert choice.considered.rank == 1


def test_what_nobody_asks_for_is_not_computed():
    assert sampling.choose(ROW, SamplingOptions(), Random(0)).considered is None


def test_more_alternatives_than_tokens_are_all_tokens():
    row = np.array([1.0, 3.0, 2.0], np.float32)
    assert [i for i, _ in sampling.top_tokens(torch.from_numpy(row), 20, sampling.log_sum(row))] == [1, 2, 0]
    logprobs = torch.from_numpy(row).log_softmax(-1)
    assert [i for i, _ in sampling.top_tokens(logprobs, 20)] == [1, 2, 0]


@pytest.mark.parametrize("temperature", [0, 1])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_token_is_chosen_from_what_is_no_number(bad, temperature):
    row = ROW.copy()
    row[7] = bad
    with pytest.raises(ModelDamaged, match="NaN or infinite"):
        sampling.choose(row, SamplingOptions(temperature=temperature), Random(0))
