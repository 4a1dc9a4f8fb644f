from __future__ import annotations

import pytest
import torch
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from gpt_notebook.model_kernel import sampling
from gpt_notebook.protocol import SamplingOptions

LOGITS = torch.randn(200, generator=torch.Generator().manual_seed(0)) * 3


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("top_k", [0, 1, 10, 500])
@pytest.mark.parametrize("top_p", [0.05, 0.8, 1.0])
def test_the_distribution_is_that_of_transformers(temperature, top_k, top_p):
    warpers = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_k:
        warpers.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    expected = warpers(None, LOGITS[None].clone())[0].softmax(-1)
    options = SamplingOptions(temperature=temperature, top_k=top_k, top_p=top_p)
    torch.testing.assert_close(sampling.distribution(LOGITS, options), expected.double(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("temperature", [1e-30, 1e-50, 5e-324])
def test_a_tiny_temperature_takes_the_most_probable_token(temperature):
    options = SamplingOptions(temperature=temperature)
    assert sampling.distribution(LOGITS, options).argmax() == LOGITS.argmax()
    assert sampling.distribution(LOGITS, options).sum() == pytest.approx(1)


@pytest.mark.parametrize("top_p", [1e-9, 1e-50, 5e-324])
def test_a_tiny_top_p_keeps_one_token(top_p):
    assert (sampling.distribution(LOGITS, SamplingOptions(top_p=top_p)) > 0).sum() == 1


def test_zero_temperature_draws_nothing():
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert sampling.choose(LOGITS, SamplingOptions(temperature=0), generator) == int(LOGITS.argmax())
    assert torch.equal(generator.get_state(), before)


def test_draws_follow_the_distribution():
    logits = torch.tensor([2.0, 1.0, 0.0])
    generator = torch.Generator().manual_seed(0)
    options = SamplingOptions(temperature=1, top_p=1)
    counts = torch.zeros(3)
    for _ in range(3000):
        counts[sampling.choose(logits, options, generator)] += 1
    torch.testing.assert_close(counts / 3000, logits.softmax(-1), atol=0.03, rtol=0)


def test_more_alternatives_than_tokens_are_all_tokens():
    logprobs = torch.tensor([1.0, 3.0, 2.0]).log_softmax(-1)
    assert [token_id for token_id, _ in sampling.top_logprobs(logprobs, 20)] == [1, 2, 0]
