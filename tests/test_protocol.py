"""The protocol: what one side encodes is what the other decodes, and impossible values are refused with the same words."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.protocol import (
    EVENT_TYPES,
    ChatMessage,
    Done,
    Failed,
    Finished,
    GenerateRequest,
    Loaded,
    Memory,
    ModelInfo,
    NextRequest,
    Progress,
    RequestInfo,
    SamplingOptions,
    Scored,
    ScoreRequest,
    Started,
    Status,
    TextScore,
    Timing,
    Token,
    Tokens,
    TopLogprob,
    Usage,
    decode,
    decode_event,
    encode,
    encode_event,
)

TOKEN = Token(
    id=3, text=" fox", logprob=-0.5, top_logprobs=(TopLogprob(id=4, text=" cat", logprob=-1.5),), bytes=(0xF0, 0x9F)
)
MODEL = ModelInfo(name="storyteller", source="/models/storyteller", loaded=True, bytes=12)

EVENTS = [
    Progress(stage="reading", model="gpt2", done=1, total=2),
    Started(
        id="1", model="m", fingerprint="f", prompt="Once", prompt_token_ids=(5, 6),
        options=SamplingOptions(stop=(".", "!"), seed=7),
    ),
    Tokens(index=1, tokens=(TOKEN, Token(id=1, text=""))),
    Finished(index=0, finish_reason="stop", usage=Usage(prompt_tokens=1, completion_tokens=2)),
    Loaded(model=MODEL),
    Scored(score=TextScore(tokens=(TOKEN,), logprob=-0.5)),
    Failed(error={"code": "out_of_memory", "message": "no room"}),
    Done(timing=Timing(queued=0.0, first_token=0.1, total=0.2)),
    Done(),
]  # fmt: skip

STATUS = Status(
    state="ready",
    pid=4711,
    memory=Memory(device="cpu", budget=3, weights=2, process=1),
    models=(MODEL,),
    requests=(RequestInfo(id="r", model="m", state="queued", prompt_tokens=1, generated_tokens=2, seconds=0.5),),
)


def over_the_wire(data):
    return json.loads(json.dumps(data))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_arrives_as_it_was_sent(event):
    data = over_the_wire(encode_event(event, 3))
    assert data["seq"] == 3
    assert decode_event(data) == event


def test_no_event_was_forgotten_here():
    assert {event.type for event in EVENTS} == set(EVENT_TYPES)


def test_a_status_arrives_as_it_was_sent():
    assert decode(Status, over_the_wire(encode(STATUS))) == STATUS


def test_what_a_newer_side_adds_is_ignored():
    data = over_the_wire(encode(STATUS)) | {"mood": "good"}
    data["models"][0]["colour"] = "red"
    assert decode(Status, data) == STATUS
    assert decode_event({"type": "weather", "seq": 0}) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Token(id=1, text=" fox", logprob=-1.2345), "Token(' fox', -1.23)"),
        (Token(id=1, text="Once"), "Token('Once')"),
        (TopLogprob(id=1, text=" fox", logprob=-1.2345), "TopLogprob(' fox', -1.23)"),
        (ModelInfo(name="gpt2", source="gpt2", loaded=False), "<ModelInfo gpt2: not loaded>"),
        (
            ModelInfo(
                name="gpt2", source="gpt2", loaded=True, bytes=548_100_000, dtype="float32", device="cpu", context_length=1024
            ),
            "<ModelInfo gpt2: loaded, 548.1 MB, float32, cpu, context 1,024>",
        ),
        (Status(state="stopped"), "<Status stopped>"),
        (dataclasses.replace(STATUS, address="unix:/a"), "<Status ready, process 4711, unix:/a, models storyteller, requests 1>"),
    ],
)  # fmt: skip
def test_a_result_is_shown_in_one_short_line(value, shown):
    assert repr(value) == shown


@pytest.mark.parametrize(
    ("make", "message", "param"),
    [
        (lambda: SamplingOptions(temperature=-1), "temperature must be at least 0 and at most 100, not -1", "temperature"),
        (lambda: SamplingOptions(temperature=float("nan")), "temperature must be at least 0 and at most 100, not nan", "temperature"),
        (lambda: SamplingOptions(top_p=0), "top_p must be above 0 and at most 1, not 0", "top_p"),
        (lambda: JobOptions(validation_share=0.95), "validation_share must be at least 0 and at most 0.9, not 0.95", "validation_share"),
        (lambda: JobOptions(max_steps=10**13), "max_steps must be at least 1 and at most 1000000000000, not 10000000000000", "max_steps"),
        (lambda: JobOptions(learning_rate=1e10), "learning_rate must be above 0 and at most 1000000000, not 10000000000.0", "learning_rate"),
        (lambda: SamplingOptions(n=9), "n must be at least 1 and at most 8, not 9", "n"),
        (lambda: SamplingOptions(logprobs=21), "logprobs must be at least 0 and at most 20, not 21", "logprobs"),
        (lambda: SamplingOptions(seed=2**53), "seed must be at least 0 and at most 9007199254740984, not 9007199254740992", "seed"),
        (lambda: SamplingOptions(stop=tuple("abcde")), "at most 4 stop strings, not 5", "stop"),
        (lambda: SamplingOptions(stop=("",)), "an empty stop string would stop at once: leave it out", "stop"),
        (GenerateRequest, "give exactly one of prompt, prompt_token_ids and messages, not none", None),
        (
            lambda: GenerateRequest(prompt="x", messages=(ChatMessage(role="user", content="y"),)),
            "give exactly one of prompt, prompt_token_ids and messages, not prompt and messages",
            None,
        ),
        (lambda: GenerateRequest(messages=()), "a conversation needs at least one message", "messages"),
        (lambda: NextRequest(prompt="x", k=0), "k must be at least 1, not 0", "k"),
        (lambda: ScoreRequest(prompts=("a",), continuations=()), "1 prompts and 0 continuations: give one for each", "continuations"),
    ],
)  # fmt: skip
def test_the_impossible_is_refused_in_one_line_that_names_it(make, message, param):
    with pytest.raises(InvalidRequest) as refusal:
        make()
    assert (refusal.value.message, refusal.value.param) == (message, param)


NUMBERS = [each.name for each in dataclasses.fields(JobOptions) if re.search(r"\b(int|float)\b", str(each.type))]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan")])
def test_no_number_of_a_training_is_beyond_what_can_be_counted_with(name, value):
    with pytest.raises(InvalidRequest, match=f"^{name} must be ") as caught:
        JobOptions(**{name: value})
    assert caught.value.param == name
