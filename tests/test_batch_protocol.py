from __future__ import annotations

import json

import pytest

from gpt_notebook.batch_protocol import (
    EVENT_TYPES,
    MAX_ROWS,
    BatchRequest,
    BatchStarted,
    RowDone,
    RowFailed,
    RowSample,
)
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import (
    ChatMessage,
    Done,
    GenerateRequest,
    SamplingOptions,
    Timing,
    Token,
    Usage,
    decode_event,
    encode_event,
)

EVENTS = [
    BatchStarted(id="1", model="m", fingerprint="f"),
    RowDone(
        index=3,
        prompt="Once",
        prompt_token_ids=(1, 2),
        options=SamplingOptions(seed=4, stop=("x",)),
        samples=(
            RowSample(
                tokens=(Token(id=1, text=" a", logprob=-1.0),),
                finish_reason="stop",
                usage=Usage(prompt_tokens=2, completion_tokens=1),
            ),
        ),
        timing=Timing(queued=0.0, first_token=0.1, total=0.2),
    ),
    RowFailed(index=4, error={"code": "context_length_exceeded", "message": "too long"}),
    Done(),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_arrives_as_it_was_sent(event):
    assert decode_event(json.loads(json.dumps(encode_event(event, 0))), EVENT_TYPES) == event


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompts": ()}, "a batch takes 1 to 4,096 prompts, not 0"),
        ({"prompts": ("x",) * (MAX_ROWS + 1)}, "a batch takes 1 to 4,096 prompts, not 4,097"),
        ({"prompts": ("x", "\ud83e")}, "prompts[1] holds half a character"),
        ({"prompts": ("x",), "system": "\ud83e"}, "system holds half a character"),
        ({"prompts": ("x",), "system": "s", "chat": False}, "a system text needs a chat"),
        ({"prompts": ("x", "y"), "seeds": (1,)}, "2 prompts and 1 seeds: give one for each"),
        ({"prompts": ("x", "y"), "seeds": (1, -1)}, "seed must be at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, message):
    with pytest.raises(InvalidRequest) as refusal:
        BatchRequest(**fields)
    assert message in refusal.value.message


def test_a_row_is_the_request_that_it_would_be_alone():
    options = SamplingOptions(seed=1, top_k=5)
    plain = BatchRequest(prompts=("x", "y"), model="m", chat=False, options=options, seeds=(7, 8))
    assert plain.alone(1) == GenerateRequest(
        model="m", prompt="y", chat=False, options=SamplingOptions(seed=8, top_k=5)
    )
    told = BatchRequest(prompts=("x", "y"), model="m", system="s", options=options)
    messages = ChatMessage(role="system", content="s"), ChatMessage(role="user", content="y")
    assert told.alone(1) == GenerateRequest(model="m", messages=messages, options=options)
