from __future__ import annotations

import pytest
import transformers

from gpt_notebook import storyteller
from gpt_notebook.errors import ContextLengthExceeded, InvalidRequest
from gpt_notebook.protocol import TokenizeRequest
from model_kernel.asking import Reference, completion, completions, wait_for
from model_kernel.families import CAUSAL, CONTEXT

PROMPT = "Once upon a time there was a fox who"


@pytest.mark.parametrize("family", CAUSAL)
def test_greedy_tokens_are_those_of_transformers(family, tiny, shared_engine):
    directory = tiny(family)
    made = completion(shared_engine, directory, PROMPT, temperature=0, max_new_tokens=30)
    reference = Reference(directory)
    expected = reference.greedy(made.prompt_token_ids, 30)
    assert [token.id for token in made.tokens] == expected
    assert made.text == reference.tokenizer.decode(expected)


def test_greedy_tokens_of_the_bundled_model_are_those_of_transformers(shared_engine):
    made = completion(shared_engine, "storyteller", "Once upon a time", temperature=0, max_new_tokens=80)
    expected = Reference(str(storyteller.path())).greedy(made.prompt_token_ids, 80)
    assert [token.id for token in made.tokens] == expected


@pytest.mark.parametrize("family", ["gpt2", "mistral", "mamba"])
def test_logprobs_are_the_log_softmax_of_the_models_logits(family, tiny, shared_engine):
    directory = tiny(family)
    made = completion(
        shared_engine, directory, PROMPT, temperature=1.3, top_p=0.9, max_new_tokens=20, seed=3, logprobs=5
    )
    ids = [*made.prompt_token_ids, *(token.id for token in made.tokens)]
    expected = Reference(directory).logprobs(ids)[len(made.prompt_token_ids) - 1 : -1]
    for token, row in zip(made.tokens, expected, strict=True):
        assert token.logprob == pytest.approx(float(row[token.id]), abs=1e-4)
        best = row.topk(5)
        assert [top.id for top in token.top_logprobs] == best.indices.tolist()
        assert [top.logprob for top in token.top_logprobs] == pytest.approx(best.values.tolist(), abs=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        "A line.\n",
        "two\n\n",
        '{"a": [1, 2, {"b": null}]}',
        r"\frac{\partial f}{\partial x} = \sum_{i=0}^{n} x_i",
        "从前有一只狐狸。",
        "fox 🦊 and 👩‍👩‍👧",
        "  two spaces  ",
        "e\u0301 decomposed",
    ],
)
def test_the_prompts_ids_are_the_tokenizers_own(text, tiny, shared_engine):
    directory = tiny("gpt2")
    made = completion(shared_engine, directory, text, temperature=0, max_new_tokens=1)
    expected = transformers.AutoTokenizer.from_pretrained(directory)(text)["input_ids"]
    assert list(made.prompt_token_ids) == expected
    tokens = wait_for(shared_engine.tokenize(TokenizeRequest(text=text, model=directory)))
    assert [token.id for token in tokens] == expected
    assert "".join(token.text for token in tokens) == text


def test_a_seed_makes_sampling_repeatable(tiny, shared_engine):
    first, second = (completion(shared_engine, tiny(), PROMPT, seed=11, max_new_tokens=20) for _ in range(2))
    assert first.text == second.text
    assert first.text != completion(shared_engine, tiny(), PROMPT, seed=12, max_new_tokens=20).text


def test_the_seed_that_was_drawn_repeats_the_text(tiny, shared_engine):
    first = completion(shared_engine, tiny(), PROMPT, max_new_tokens=20)
    assert first.options.seed is not None
    assert completion(shared_engine, tiny(), PROMPT, max_new_tokens=20, seed=first.options.seed).text == first.text


@pytest.mark.parametrize("family", ["llama", "mamba"])
def test_each_of_several_samples_is_the_request_with_its_own_seed(family, tiny, shared_engine):
    several = completions(shared_engine, tiny(family), PROMPT, seed=5, n=3, max_new_tokens=15)
    alone = [completion(shared_engine, tiny(family), PROMPT, seed=5 + i, max_new_tokens=15) for i in range(3)]
    assert [made.text for made in several] == [made.text for made in alone]
    assert len({made.text for made in several}) == 3


def test_a_text_ends_before_its_stop_string_also_across_tokens(tiny, shared_engine):
    whole = completion(shared_engine, tiny(), PROMPT, temperature=0, max_new_tokens=20)
    stop = whole.tokens[4].text[-1:] + whole.tokens[5].text + whole.tokens[6].text[:1]
    made = completion(shared_engine, tiny(), PROMPT, temperature=0, max_new_tokens=20, stop=(stop,))
    assert made.text == whole.text[: whole.text.index(stop)]
    assert made.text == "".join(token.text for token in made.tokens)
    assert made.finish_reason == "stop"


def test_length_ends_a_text_and_usage_counts_it(tiny, shared_engine):
    made = completion(shared_engine, tiny("llama"), PROMPT, temperature=0, max_new_tokens=7)
    assert made.finish_reason == "length"
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (len(made.prompt_token_ids), 7)


def test_a_completion_ends_where_the_context_does(tiny, shared_engine):
    ids = [5] * (CONTEXT - 3)
    made = completion(shared_engine, tiny("llama"), token_ids=ids, temperature=0, max_new_tokens=20)
    assert len(made.tokens) == made.options.max_new_tokens == 3
    assert [token.id for token in made.tokens] == Reference(tiny("llama")).greedy(ids, 3)


def test_a_prompt_beyond_the_context_is_refused_with_both_lengths(tiny, shared_engine):
    with pytest.raises(ContextLengthExceeded, match=rf"{CONTEXT} tokens.*at most {CONTEXT}"):
        completion(shared_engine, tiny(), token_ids=[5] * CONTEXT)


def test_the_end_token_ends_a_text_and_is_not_part_of_it(tmp_path, tiny, shared_engine):
    whole = completion(shared_engine, tiny("qwen2"), PROMPT, temperature=0, max_new_tokens=10)
    end = whole.tokens[6].id
    first = next(i for i, token in enumerate(whole.tokens) if token.id == end)
    directory = tmp_path / "ends-early"
    reference = Reference(tiny("qwen2"))
    reference.model.generation_config.eos_token_id = [end]
    reference.model.save_pretrained(directory)
    reference.tokenizer.save_pretrained(directory)
    made = completion(shared_engine, str(directory), PROMPT, temperature=0, max_new_tokens=10)
    assert [token.id for token in made.tokens] == [token.id for token in whole.tokens[:first]]
    assert made.finish_reason == "stop"


@pytest.mark.parametrize(
    ("token_ids", "complaint"), [((), "is empty"), ((99999,), "99999 is no token id"), ((-1,), "-1 is no token id")]
)
def test_impossible_token_ids_are_refused(token_ids, complaint, tiny, shared_engine):
    with pytest.raises(InvalidRequest, match=complaint):
        completion(shared_engine, tiny(), token_ids=token_ids)


def test_an_empty_prompt_begins_with_the_models_first_token(tiny, shared_engine):
    made = completion(shared_engine, tiny(), "", temperature=0, max_new_tokens=5)
    assert made.prompt_token_ids == (0,)
    assert [token.id for token in made.tokens] == Reference(tiny()).greedy([0], 5)
