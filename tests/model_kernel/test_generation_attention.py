"""The attention of a completion is recorded while it is generated, and the completion is the same as without."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import torch

from gpt_notebook.attention_protocol import MapRequest, OverviewRequest
from gpt_notebook.completion import Collector
from gpt_notebook.errors import ModelUnsupported, OutOfMemory
from gpt_notebook.model_kernel import inspection
from gpt_notebook.model_kernel.engine import Engine
from gpt_notebook.model_kernel.generation import Sample
from gpt_notebook.protocol import GenerateRequest, SamplingOptions
from gpt_notebook.settings import Settings
from model_kernel.asking import array, attention, completion, completions, wait_for
from model_kernel.families import CAUSAL

PROMPT = "Once upon a time there was a fox who"
RECORDED = ["gpt2", "llama", "mistral", "gemma2", "gpt_oss", "deepseek_v3"]
"""Plain, with grouped heads, with windows, softcaps, sinks, and keys of another width than values."""
NOT_ON_THE_WAY = ["gpt_neo", "falcon", "lfm2"]


@pytest.fixture
def check_attention(engine, monkeypatch, tmp_path):
    """Checks that a completion's attention is there without another pass, and is that of its text read in one go."""

    def check(made, *, tolerance=1e-5):
        ids = ids_of(made)
        with monkeypatch.context() as patched:
            patched.setattr(inspection, "Recording", None)
            info = attention(engine, made.model, token_ids=ids)
        assert [token.id for token in info.tokens] == list(ids)
        another = Engine(Settings(home=tmp_path / "another"))
        anew = attention(another, made.model, token_ids=ids)
        assert anew.id == info.id
        np.testing.assert_allclose(whole(engine, info), whole(another, anew), atol=tolerance)
        another.close()

    return check


def ids_of(made):
    return (*made.prompt_token_ids, *(token.id for token in made.tokens))


def whole(engine, info):
    """(layer, head, query, key), for layers that all have attention."""
    found = array(engine, OverviewRequest(attention=info.id, part="decoder", size=1024))
    assert found.shape[2:] == (len(info.tokens),) * 2
    return found


@pytest.mark.parametrize("family", RECORDED)
def test_the_attention_of_a_completion_is_there_and_is_that_of_its_text(family, tiny, engine, check_attention):
    made = completion(engine, tiny(family), PROMPT, temperature=0, max_new_tokens=30, with_attention=True)
    assert len(made.tokens) == 30
    check_attention(made)


def test_a_model_in_half_precision_attends_to_what_it_rounded(tiny, engine, check_attention):
    model = tiny("llama", dtype=torch.bfloat16)
    made = completion(engine, model, PROMPT, temperature=0, max_new_tokens=20, with_attention=True)
    check_attention(made, tolerance=0.05)


@pytest.mark.parametrize("family", ["gpt2", "mistral"])
def test_each_of_several_samples_has_its_own(family, tiny, engine, check_attention):
    several = completions(engine, tiny(family), PROMPT, seed=5, n=3, max_new_tokens=15, with_attention=True)
    assert len({ids_of(made) for made in several}) == 3
    for made in several:
        check_attention(made)


@pytest.mark.parametrize("family", ["gpt2", "mistral"])
def test_tokens_dropped_after_a_stop_string_have_none(family, tiny, engine, check_attention):
    without = completion(engine, tiny(family), PROMPT, temperature=0, max_new_tokens=20)
    stop = without.tokens[8].text[-1:] + without.tokens[9].text + without.tokens[10].text[:1]
    made = completion(engine, tiny(family), PROMPT, temperature=0, max_new_tokens=20, stop=(stop,), with_attention=True)
    assert made.finish_reason == "stop"
    assert len(made.tokens) <= 9
    check_attention(made)
    assert engine.memory().captures <= bytes_for(family, len(ids_of(made)))


def bytes_for(family, n_tokens):
    """Queries and keys, and a mask for those that have a window."""
    heads = {"gpt2": 4 + 4, "mistral": 4 + 2}[family]
    return 2 * heads * 8 * 4 * n_tokens + (n_tokens**2 if family == "mistral" else 0)


def test_the_end_token_is_not_part_of_it(tiny, engine, check_attention, monkeypatch):
    without = completion(engine, tiny(), PROMPT, temperature=0, max_new_tokens=10)
    end = without.tokens[6].id
    first = next(i for i, token in enumerate(without.tokens) if token.id == end)
    (model,) = engine._models._loaded.values()
    monkeypatch.setattr(model, "end_ids", frozenset({end}))
    made = completion(engine, tiny(), PROMPT, temperature=0, max_new_tokens=10, with_attention=True)
    assert (made.finish_reason, len(made.tokens)) == ("stop", first)
    check_attention(made)


@pytest.fixture
def cancelled_at_8(engine, monkeypatch):
    """Lets every generation be cancelled when it has eight tokens."""
    real = Sample.choose

    def choose(self, logits):
        if self.generated == 7:
            engine.cancel(None)
        return real(self, logits)

    monkeypatch.setattr(Sample, "choose", choose)


@pytest.mark.usefixtures("cancelled_at_8")
@pytest.mark.parametrize("family", ["gpt2", "mistral"])
def test_a_cancelled_completion_has_the_attention_of_what_there_is(family, tiny, engine, check_attention):
    made = completion(engine, tiny(family), PROMPT, temperature=0, max_new_tokens=20, with_attention=True)
    assert (made.finish_reason, len(made.tokens)) == ("cancelled", 8)
    check_attention(made)


@pytest.mark.usefixtures("cancelled_at_8")
def test_tokens_that_were_held_back_when_it_was_cancelled_are_in_it(tiny, shared_engine, engine, check_attention):
    without = completion(shared_engine, tiny(), PROMPT, temperature=0, seed=0, max_new_tokens=20)
    beginning_of_stop = "".join(token.text for token in without.tokens[4:10])
    stop = (f"{beginning_of_stop}, and more",)
    made = completion(engine, tiny(), PROMPT, temperature=0, seed=0, max_new_tokens=20, stop=stop, with_attention=True)
    assert (made.finish_reason, made.tokens) == ("cancelled", without.tokens[:8])
    check_attention(made)


@pytest.mark.parametrize("family", CAUSAL)
def test_recording_changes_neither_tokens_nor_logprobs(family, tiny, engine):
    plain, watched = (
        completion(
            engine, tiny(family), PROMPT, seed=3, max_new_tokens=12, logprobs=3, with_attention=with_attention
        ).tokens
        for with_attention in (False, True)
    )
    assert plain == watched


def test_recording_does_not_touch_what_runs_beside_it(tiny, engine):
    options = SamplingOptions(seed=3, max_new_tokens=25, logprobs=3)
    alone = completion(engine, tiny(), PROMPT, seed=3, max_new_tokens=25, logprobs=3)

    async def collect(*, attention):
        collector = Collector()
        async for event in engine.generate(
            GenerateRequest(model=tiny(), prompt=PROMPT, options=options, attention=attention)
        ):
            collector.add(event)
        return collector.completions()[0]

    async def together():
        return await asyncio.gather(*(collect(attention=attention) for attention in (True, False, True)))

    for made in wait_for(together()):
        assert [token.id for token in made.tokens] == [token.id for token in alone.tokens]
        assert [token.logprob for token in made.tokens] == pytest.approx(
            [token.logprob for token in alone.tokens], abs=1e-5
        )
    assert len(engine._inspection.captures._kept) == 1


@pytest.mark.parametrize("family", NOT_ON_THE_WAY)
def test_a_family_that_cannot_be_recorded_on_the_way_can_be_asked_afterwards(family, tiny, engine):
    made = completion(engine, tiny(family), PROMPT, temperature=0, max_new_tokens=10, with_attention=True)
    info = attention(engine, made.model, token_ids=ids_of(made))
    found = array(engine, MapRequest(attention=info.id, part="decoder", layer=1, head=0))
    assert found.shape == (len(ids_of(made)),) * 2


def test_a_model_without_attention_generates_and_says_so_when_it_is_asked(tiny, engine):
    made = completion(engine, tiny("mamba"), PROMPT, temperature=0, max_new_tokens=10, with_attention=True)
    assert len(made.tokens) == 10
    with pytest.raises(ModelUnsupported, match="is not there: it has none"):
        attention(engine, made.model, token_ids=ids_of(made))


def test_nothing_is_kept_unless_it_is_asked_for(tiny, engine):
    completion(engine, tiny(), PROMPT, temperature=0, max_new_tokens=5)
    assert engine.memory().captures == 0


def test_a_generation_whose_attention_is_too_large_is_refused_with_the_setting(tiny, tmp_path):
    engine = Engine(Settings(home=tmp_path, attention_budget=1000))
    with pytest.raises(OutOfMemory, match="raise GPT_NOTEBOOK_ATTENTION_BUDGET"):
        completion(engine, tiny(), PROMPT, max_new_tokens=5, with_attention=True)
    assert len(completion(engine, tiny(), PROMPT, temperature=0, max_new_tokens=5).tokens) == 5
    engine.close()


def test_the_samples_of_a_generation_share_the_budget(tiny, tmp_path):
    of_a_token = 2 * (4 + 4) * 8 * 4
    engine = Engine(Settings(home=tmp_path, attention_budget=2 * 40 * of_a_token))
    made = completions(engine, tiny(), PROMPT, n=2, seed=0, max_new_tokens=5, with_attention=True)
    assert len(made[0].prompt_token_ids) + 5 <= 40
    with pytest.raises(OutOfMemory, match="raise GPT_NOTEBOOK_ATTENTION_BUDGET"):
        completions(engine, tiny(), PROMPT, n=8, seed=0, max_new_tokens=5, with_attention=True)
    engine.close()
