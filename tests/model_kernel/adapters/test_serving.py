"""Models with adapters through the engine: each answer is what peft's own model says, whoever runs beside it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import torch

from gpt_notebook.attention_protocol import DiffRequest, MapRequest
from gpt_notebook.batch_protocol import BatchRequest, RowDone
from gpt_notebook.completion import Collector
from gpt_notebook.protocol import GenerateRequest, NextRequest, SamplingOptions, ScoreRequest
from model_kernel import tiny_adapters
from model_kernel.asking import Reference, all_of, answer, array, attention, completion, scores, wait_for

PROMPTS = {"base": "Once upon a", "one": "The fox went to the river", "two": "Who are you?"}
"""What each is asked."""
OPTIONS = SamplingOptions(temperature=0, max_new_tokens=24)


@pytest.fixture(scope="module")
def adapters(tiny, tmp_path_factory):
    """Returns the model strings of a family's base and two adapters, and what peft makes of each."""
    made = {}

    def of(family):
        if family not in made:
            base, directory = tiny(family), tmp_path_factory.mktemp("adapters")
            one = tiny_adapters.save(directory / "one", base, seed=1)
            two = tiny_adapters.save(directory / "two", base, seed=2, r=3, lora_alpha=12)
            names = {"base": base, "one": f"{base}+{one}", "two": f"{base}+{two}"}
            references = {
                "base": Reference(base),
                "one": tiny_adapters.AdaptedReference(base, one),
                "two": tiny_adapters.AdaptedReference(base, two),
            }
            made[family] = names, references
        return made[family]

    return of


def ids_of(references, text):
    return references["base"].tokenizer(text)["input_ids"]


async def together(engine, asked):
    """The completions of model strings and prompts that run at once."""

    async def one(model, prompt):
        collector = Collector()
        async for event in engine.generate(GenerateRequest(model=model, prompt=prompt, options=OPTIONS)):
            collector.add(event)
        return collector.completions()[0]

    return await asyncio.gather(*(one(*each) for each in asked))


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neo"])
def test_each_row_of_a_mixed_batch_says_what_peft_says_of_it(family, adapters, engine):
    names, references = adapters(family)
    asked = [(name, prompt) for name in names for prompt in PROMPTS.values()]
    for (name, prompt), made in zip(asked, wait_for(together(engine, [(names[n], p) for n, p in asked])), strict=True):
        assert [token.id for token in made.tokens] == references[name].greedy(ids_of(references, prompt), 24), (
            name,
            prompt,
        )


def test_adapters_say_something_else_than_their_base(adapters, engine):
    names, _ = adapters("gpt2")
    said = {completion(engine, name, "Once upon a", temperature=0, max_new_tokens=24).text for name in names.values()}
    assert len(said) == 3


def test_the_base_says_the_same_to_the_bit_after_adapters_came_and_went(adapters, engine):
    names, _ = adapters("gpt2")
    options = {"temperature": 0.9, "seed": 3, "max_new_tokens": 24, "logprobs": 3}
    before = completion(engine, names["base"], "Once upon a", **options)
    wait_for(together(engine, [(name, prompt) for name in names.values() for prompt in PROMPTS.values()]))
    engine.unload(names["one"])
    engine.unload(names["two"])
    assert completion(engine, names["base"], "Once upon a", **options).tokens == before.tokens


def test_what_one_has_read_is_not_taken_for_what_another_has(adapters, engine):
    names, references = adapters("llama")
    prompt = "The fox went to the river, " * 4
    for name, reference in references.items():
        made = completion(engine, names[name], prompt, temperature=0, max_new_tokens=12)
        assert [token.id for token in made.tokens] == reference.greedy(ids_of(references, prompt), 12)


def test_a_completion_tells_the_adapter_and_exactly_which(adapters, engine):
    names, _ = adapters("gpt2")
    made = completion(engine, names["one"], "Once", max_new_tokens=2)
    base = completion(engine, names["base"], "Once", max_new_tokens=2)
    assert made.model == names["one"]
    assert made.fingerprint.startswith(f"{base.fingerprint}+")


def test_likelihoods_and_next_tokens_are_those_of_the_adapter(adapters, engine):
    names, references = adapters("gpt2")
    text = "The fox went to the river"
    ids = ids_of(references, text)
    for name, reference in references.items():
        logprobs = reference.logprobs(ids)
        (scored,) = scores(engine, ScoreRequest(model=names[name], prompts=(text,)))
        expected = sum(float(logprobs[i, token]) for i, token in enumerate(ids[1:]))
        assert scored.logprob == pytest.approx(expected, abs=1e-3)
        best = wait_for(engine.next(NextRequest(model=names[name], prompt=text, k=3)))
        assert [token.id for token in best] == logprobs[-1].topk(3).indices.tolist()


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo"])
def test_attention_is_that_of_the_adapter(family, adapters, engine):
    names, references = adapters(family)
    ids = ids_of(references, "The fox went to the river")
    for name, reference in references.items():
        reference.model.set_attn_implementation("eager")
        expected = reference.model(input_ids=torch.tensor([ids]), output_attentions=True).attentions[1][0, 2]
        info = attention(engine, names[name], token_ids=tuple(ids))
        found = array(engine, MapRequest(attention=info.id, layer=1, head=2, part="decoder"))
        np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5)


def test_attention_recorded_while_an_adapter_generates_is_the_adapters(adapters, engine):
    names, _ = adapters("gpt2")
    made = completion(engine, names["one"], "Once upon a", temperature=0, max_new_tokens=8, with_attention=True)
    ids = (*made.prompt_token_ids, *(token.id for token in made.tokens))
    recorded = attention(engine, names["one"], token_ids=ids)
    assert recorded.id in engine._inspection.captures._kept
    assert len(engine._inspection.captures._kept) == 1


def test_a_model_and_its_adapter_can_be_compared(adapters, engine):
    names, references = adapters("gpt2")
    ids = tuple(ids_of(references, "The fox went to the river"))
    base, one = (attention(engine, names[name], token_ids=ids) for name in ("base", "one"))
    moved = np.array(answer(engine, DiffRequest(attention=base.id, other=one.id, part="decoder")).values[0])
    assert (moved > 1e-3).any()
    same = np.array(answer(engine, DiffRequest(attention=base.id, other=base.id, part="decoder")).values[0])
    assert not same.any()


def test_the_rows_of_a_batch_are_the_adapters(adapters, engine):
    names, references = adapters("llama")
    request = BatchRequest(model=names["two"], prompts=tuple(PROMPTS.values()), options=OPTIONS)
    rows = {event.index: event for event in all_of(engine.batch(request)) if isinstance(event, RowDone)}
    for index, prompt in enumerate(PROMPTS.values()):
        (sample,) = rows[index].samples
        assert [token.id for token in sample.tokens] == references["two"].greedy(ids_of(references, prompt), 24)


def test_an_adapter_is_listed_and_let_go(adapters, engine):
    names, _ = adapters("gpt2")
    completion(engine, names["one"], "Once", max_new_tokens=2)
    assert [each.loaded for each in wait_for(engine.adapters())] == [True]
    engine.unload(names["one"])
    assert not any(each.loaded for each in wait_for(engine.adapters()))
    assert engine.memory().adapters == 0


def test_attention_goes_by_the_name_that_was_asked_for_whatever_name_loaded_the_adapter(tiny, engine, tmp_path):
    base, place = tiny(), tmp_path / "home" / "adapters" / "tale"
    tiny_adapters.save(place / "checkpoints" / "200", base, seed=1)
    for name in (f"{base}+tale", f"{base}+tale:200"):
        made = completion(engine, name, "Once upon a", temperature=0, max_new_tokens=8, with_attention=True)
        taken = engine.memory().captures
        recorded = attention(engine, name, token_ids=(*made.prompt_token_ids, *(token.id for token in made.tokens)))
        assert recorded.model == name
        assert engine.memory().captures == taken  # it was found, and not recorded once more
        array(engine, MapRequest(attention=recorded.id, layer=0, head=0, part="decoder"))
