"""The attention that is recorded in company is the one that is recorded alone, and nobody's else is touched."""

from __future__ import annotations

import pytest
import torch

from gpt_notebook.model_kernel.attention import maps
from gpt_notebook.model_kernel.batching.attending import Stepping
from model_kernel.batching.company import text
from model_kernel.batching.conftest import PIECE

FAMILIES = ["gpt2", "llama", "mistral", "gemma2", "gpt_oss", "gemma3_text"]


def others(met):
    """Requests that come and leave beside it, some of which are recorded too."""
    for seed in range(4):
        met.ask(text(7 + 9 * seed, seed), max_new_tokens=3 + 4 * seed, attention=seed % 2 == 0)


def attention(capture):
    """The maps of all layers, (layer, head, query, key)."""
    n = len(capture.text.token_ids)
    return torch.stack([maps.rows(layer, slice(None), 0, n, n_keys=n) for _, layer in sorted(capture.layers.items())])


def check(heard, expected):
    assert len(heard.captures) == len(expected.captures)
    for made, wanted in zip(heard.captures, expected.captures, strict=True):
        assert made.text == wanted.text
        torch.testing.assert_close(attention(made), attention(wanted), atol=2e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_the_one_that_is_recorded_alone(family, company, seen):
    asked = {"token_ids": text(2 * PIECE + 5, 9), "max_new_tokens": 20, "attention": True}
    expected = company(family).answer(**asked)
    met = company(family)
    others(met)
    met.step(4)
    seen.clear()
    heard = met.ask(**asked)
    met.step(2)
    others(met)
    met.finish()
    assert max(seen.steps) >= 4
    assert heard.ids == expected.ids
    check(heard, expected)


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_each_sample_has_its_own(family, company):
    asked = {"token_ids": text(20, 9), "max_new_tokens": 12, "attention": True}
    expected = [company(family).answer(**asked, seed=1 + index) for index in range(3)]
    met = company(family)
    others(met)
    met.step(3)
    heard = met.ask(**asked, seed=1, n=3)
    met.finish()
    assert [heard.ids_of(index) for index in range(3)] == [each.ids for each in expected]
    by_text = {capture.text: capture for each in expected for capture in each.captures}
    assert len(by_text) == 3
    for made in heard.captures:
        torch.testing.assert_close(attention(made), attention(by_text[made.text]), atol=2e-5, rtol=0)


def test_who_is_cancelled_has_that_of_what_there_is(company):
    met = company()
    others(met)
    heard = met.ask(text(20, 9), max_new_tokens=30, attention=True)
    while len(heard.ids) < 8:
        met.step()
    heard.generation.cancelled = True
    met.finish()
    check(heard, company().answer(text(20, 9), max_new_tokens=len(heard.ids), attention=True))


def test_attention_to_others_would_show(company, monkeypatch):
    expected = company().answer(text(20, 9), max_new_tokens=12, attention=True)
    met, real = company(), Stepping.keep

    def keep(self, layer, keys, values):
        real(self, layer, keys.roll(1, 2), values)

    monkeypatch.setattr(Stepping, "keep", keep)
    others(met)
    met.step(3)
    heard = met.ask(text(20, 9), max_new_tokens=12, attention=True)
    met.finish()
    with pytest.raises(AssertionError):
        check(heard, expected)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_those_who_are_not_recorded_say_the_same_beside_those_who_are(family, company):
    met = company(family)
    others(met)
    heard = [met.ask(text(20, seed), max_new_tokens=12) for seed in range(3)]
    met.finish()
    for seed, each in enumerate(heard):
        assert each.ids == company(family).answer(text(20, seed), max_new_tokens=12).ids
        assert each.captures == []
