"""What other people's clients see: the openai SDK against the real server over TCP."""

from __future__ import annotations

import contextlib
import time

import openai
import pytest

from gpt_notebook.errors import OutOfMemory
from gpt_notebook.model_kernel.engine import Engine
from gpt_notebook.protocol import SamplingOptions
from gpt_notebook.settings import Settings
from gpt_notebook.testing import FakeEngine, Gate, serving
from model_kernel.asking import Reference
from model_kernel.families import CONTEXT

USER = [{"role": "user", "content": "Once"}]
TEXT = "One two three four."


@contextlib.contextmanager
def connected(engine):
    with serving(engine, unix=False) as model_kernel, sdk(model_kernel) as client:
        yield client


def sdk(model_kernel, token=None):
    return openai.OpenAI(base_url=f"{model_kernel.address}/v1", api_key=token or model_kernel.token, max_retries=0)


@pytest.fixture(scope="module")
def engine():
    return FakeEngine(TEXT)


@pytest.fixture(scope="module")
def client(engine):
    with connected(engine) as client:
        yield client


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    engine = Engine(Settings(home=tmp_path_factory.mktemp("home")))
    with connected(engine) as client:
        yield client


# --- with a scripted engine: every shape ----------------------------------------------------------------------------


def test_the_models_are_listed(client):
    (model,) = client.models.list().data
    assert (model.id, model.object) == ("storyteller", "model")
    assert model.gpt_notebook["loaded"]


def test_a_completion(client):
    made = client.completions.create(model="storyteller", prompt="Once upon")
    (choice,) = made.choices
    assert (made.object, choice.text, choice.finish_reason, choice.logprobs) == ("text_completion", TEXT, "stop", None)
    assert (made.usage.prompt_tokens, made.usage.completion_tokens, made.usage.total_tokens) == (2, 4, 6)
    assert made.id.startswith("cmpl-")
    assert abs(made.created - time.time()) < 60


def test_a_streamed_completion(client):
    chunks = list(client.completions.create(model="storyteller", prompt="Once", stream=True))
    assert [chunk.choices[0].text for chunk in chunks] == ["One", " two", " three", " four.", ""]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 4 + ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_chat_completion(client):
    made = client.chat.completions.create(model="storyteller", messages=USER)
    (choice,) = made.choices
    assert (made.object, choice.message.role, choice.message.content) == ("chat.completion", "assistant", TEXT)
    assert choice.finish_reason == "stop"
    assert made.usage.completion_tokens == 4


def test_a_streamed_chat_completion(client):
    chunks = list(client.chat.completions.create(model="storyteller", messages=USER, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}


def test_chunks_come_while_the_generation_runs():
    engine = FakeEngine(TEXT, gate=Gate())
    with connected(engine) as client:
        engine.gate.let(1)
        with client.completions.create(model="storyteller", prompt="x", stream=True) as chunks:
            assert next(chunks).choices[0].text == "One"
            engine.gate.let(1)
            assert next(chunks).choices[0].text == " two"
        engine.wait_until(lambda: not engine.requests())


def test_the_sdks_own_stream_helper_understands_us(client):
    with client.chat.completions.stream(model="storyteller", messages=USER) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == TEXT


@pytest.mark.parametrize("kind", ["completions", "chat"])
def test_usage_ends_a_stream_when_asked_for(kind, client):
    options = {"model": "storyteller", "stream": True, "stream_options": {"include_usage": True}}
    if kind == "chat":
        chunks = list(client.chat.completions.create(messages=USER, **options))
    else:
        chunks = list(client.completions.create(prompt="Once", **options))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 4
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_logprobs_of_a_completion_are_parallel_lists(client):
    made = client.completions.create(model="storyteller", prompt="Once", logprobs=2)
    logprobs = made.choices[0].logprobs
    assert logprobs.tokens == ["One", " two", " three", " four."]
    assert logprobs.token_logprobs == [-0.5] * 4
    assert logprobs.text_offset == [0, 3, 7, 13]
    assert logprobs.top_logprobs[1] == {" two": -0.5, " other1": -1.5}


def test_logprobs_of_a_streamed_completion_go_on_counting(client):
    chunks = list(client.completions.create(model="storyteller", prompt="Once", logprobs=1, stream=True))
    assert [chunk.choices[0].logprobs.text_offset for chunk in chunks[:4]] == [[0], [3], [7], [13]]


def test_logprobs_of_a_chat_completion_are_objects(client):
    made = client.chat.completions.create(model="storyteller", messages=USER, logprobs=True, top_logprobs=2)
    second = made.choices[0].logprobs.content[1]
    assert (second.token, second.logprob, bytes(second.bytes)) == (" two", -0.5, b" two")
    assert [(top.token, top.logprob) for top in second.top_logprobs] == [(" two", -0.5), (" other1", -1.5)]


def test_several_samples_are_choices():
    with connected(FakeEngine(["a b", "c"])) as client:
        made = client.chat.completions.create(model="storyteller", messages=USER, n=3)
        assert [choice.message.content for choice in made.choices] == ["a b", "c", "a b"]
        chunks = list(client.completions.create(model="storyteller", prompt="x", n=2, stream=True))
        texts = ["", ""]
        for chunk in chunks:
            texts[chunk.choices[0].index] += chunk.choices[0].text
        assert texts == ["a b", "c"]


def test_a_list_of_prompts_is_a_list_of_choices(client):
    made = client.completions.create(model="storyteller", prompt=["one", "two two"], n=2)
    assert [choice.index for choice in made.choices] == [0, 1, 2, 3]
    assert made.usage.prompt_tokens == 3
    assert made.usage.completion_tokens == 16


def test_token_ids_are_prompts_too(client, engine):
    client.completions.create(model="storyteller", prompt=[1, 2, 3])
    assert engine.asked[-1].prompt_token_ids == (1, 2, 3)
    made = client.completions.create(model="storyteller", prompt=[[1], [2, 3]])
    assert len(made.choices) == 2


def test_stop_seed_and_lengths_are_passed_on_with_openais_defaults(client, engine):
    made = client.completions.create(
        model="storyteller", prompt="x", stop=[" three"], seed=7, max_tokens=9, temperature=0
    )
    assert made.choices[0].text == "One two"
    assert engine.asked[-1].options == SamplingOptions(
        stop=(" three",), seed=7, max_new_tokens=9, temperature=0, top_p=1.0, top_k=0
    )
    client.completions.create(model="storyteller", prompt="x")
    assert engine.asked[-1].options.max_new_tokens == 16
    assert engine.asked[-1].options.temperature == 1
    client.chat.completions.create(model="storyteller", messages=USER, max_completion_tokens=3)
    assert engine.asked[-1].options.max_new_tokens == 3


def test_length_is_a_finish_reason(client):
    made = client.completions.create(model="storyteller", prompt="x", max_tokens=2)
    assert (made.choices[0].text, made.choices[0].finish_reason) == ("One two", "length")


def test_messages_in_parts_and_from_developers_are_read(client, engine):
    parts = [{"type": "text", "text": "On"}, {"type": "text", "text": "ce"}]
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    client.chat.completions.create(model="storyteller", messages=messages)
    assert [(m.role, m.content) for m in engine.asked[-1].messages] == [("system", "Be brief."), ("user", "Once")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frequency_penalty", 0.5),
        ("logit_bias", {"5": 1}),
        ("response_format", {"type": "json_object"}),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
    ],
)
def test_known_fields_that_cannot_be_honoured_are_refused(field, value, client):
    with pytest.raises(openai.BadRequestError, match=f"{field} is not supported") as raised:
        client.chat.completions.create(model="storyteller", messages=USER, **{field: value})
    assert raised.value.param == field


def test_fields_that_ask_for_nothing_and_unknown_ones_are_ignored(client):
    made = client.chat.completions.create(
        model="storyteller", messages=USER, frequency_penalty=0, logit_bias={}, user="me", extra_body={"new_thing": 1}
    )
    assert made.choices[0].message.content == TEXT


@pytest.mark.parametrize(
    ("options", "param", "words"),
    [
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"n": 9}, "n", "at most 8"),
        ({"stop": ["a"] * 5}, "stop", "at most 4"),
        ({"top_logprobs": 3}, "top_logprobs", "needs logprobs"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "messages.0.role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages",
            "'image_url', and this model reads text only",
        ),
    ],
)
def test_impossible_values_are_bad_requests(options, param, words, client):
    with pytest.raises(openai.BadRequestError, match=words) as raised:
        client.chat.completions.create(**{"model": "storyteller", "messages": USER, **options})
    if param is not None:
        assert raised.value.param == param
    assert raised.value.type == "invalid_request_error"


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-9'") as raised:
        client.completions.create(model="gpt-9", prompt="x")
    assert raised.value.code == "model_not_found"


@pytest.mark.parametrize("streamed", [True, False])
def test_more_than_the_context_holds_is_refused_as_openai_does(streamed, client):
    with pytest.raises(openai.BadRequestError, match="context length is 1,024 tokens; you asked for 5,001") as raised:
        client.completions.create(model="storyteller", prompt="x", max_tokens=5000, stream=streamed)
    assert raised.value.code == "context_length_exceeded"


def test_a_wrong_key_is_an_authentication_error(client):
    with (
        openai.OpenAI(base_url=client.base_url, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()


def test_a_full_queue_is_a_rate_limit():
    engine = FakeEngine(max_requests=0)
    with connected(engine) as client, pytest.raises(openai.RateLimitError):
        client.completions.create(model="storyteller", prompt="x")


def test_a_failure_in_mid_stream_raises_in_the_client():
    with connected(FakeEngine(TEXT, error=OutOfMemory("no room"), fails_after=2)) as client:
        chunks = client.completions.create(model="storyteller", prompt="x", stream=True)
        assert [next(chunks).choices[0].text for _ in range(2)] == ["One", " two"]
        with pytest.raises(openai.APIError, match="no room"):
            next(chunks)


def test_what_nobody_expected_in_mid_stream_raises_in_the_client_too(caplog):
    with connected(FakeEngine(TEXT, error=ZeroDivisionError(), fails_after=1)) as client:
        chunks = client.completions.create(model="storyteller", prompt="x", stream=True)
        next(chunks)
        with pytest.raises(openai.APIError, match="see  gpt-notebook logs"):
            next(chunks)


# --- with a model ---------------------------------------------------------------------------------------------------


def test_greedy_text_over_the_sdk_is_that_of_transformers(real, tiny):
    reference = Reference(tiny("llama"))
    made = real.completions.create(model=tiny("llama"), prompt="Once upon a", temperature=0, max_tokens=20)
    expected = reference.greedy(reference.tokenizer("Once upon a")["input_ids"], 20)
    assert made.choices[0].text == reference.tokenizer.decode(expected)


def test_streamed_and_whole_answers_agree(real, tiny):
    options = {"model": tiny(), "prompt": "Once", "seed": 3, "max_tokens": 30, "logprobs": 2}
    whole = real.completions.create(**options).choices[0]
    chunks = [chunk.choices[0] for chunk in real.completions.create(**options, stream=True)]
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert [p for chunk in chunks for p in chunk.logprobs.token_logprobs] == whole.logprobs.token_logprobs
    assert [o for chunk in chunks for o in chunk.logprobs.text_offset] == whole.logprobs.text_offset


def test_echo_repeats_the_prompt_with_its_logprobs(real, tiny):
    made = real.completions.create(
        model=tiny(), prompt="Once upon", echo=True, logprobs=1, max_tokens=4, temperature=0
    ).choices[0]
    reference = Reference(tiny())
    ids = reference.tokenizer("Once upon")["input_ids"]
    rows = reference.logprobs(ids)
    expected = [float(rows[i][token_id]) for i, token_id in enumerate(ids[1:])]
    assert made.text.startswith("Once upon")
    assert made.logprobs.token_logprobs[0] is None
    assert made.logprobs.token_logprobs[1 : len(ids)] == pytest.approx(expected, abs=1e-4)
    streamed = real.completions.create(
        model=tiny(), prompt="Once upon", echo=True, max_tokens=4, temperature=0, stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in streamed) == made.text


def test_a_chat_with_a_model_that_has_no_template(real, tiny):
    made = real.chat.completions.create(model=tiny(), messages=USER, max_tokens=5, seed=1)
    assert made.usage.completion_tokens == 5
    assert made.choices[0].message.content


def test_a_prompt_beyond_the_context_is_refused(real, tiny):
    with pytest.raises(openai.BadRequestError, match=f"at most {CONTEXT}") as raised:
        real.completions.create(model=tiny(), prompt=[5] * (CONTEXT + 1), max_tokens=1)
    assert raised.value.code == "context_length_exceeded"
