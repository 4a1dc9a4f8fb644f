"""The fake engine refuses what the real one refuses, and says so of the same field."""

from __future__ import annotations

import pytest

from gpt_notebook.attention_protocol import (
    AblateRequest,
    ArrayRequest,
    AttentionRequest,
    DiffRequest,
    LensRequest,
    MapRequest,
    OverviewRequest,
    PatchRequest,
    ScoresRequest,
    TensorRequest,
)
from gpt_notebook.batch_protocol import BatchRequest
from gpt_notebook.errors import GptNotebookError
from gpt_notebook.protocol import Progress, SamplingOptions
from gpt_notebook.testing import FakeEngine
from model_kernel.asking import IDS, all_of, attention

TOO_MANY = (5,) * 1100
"""Tokens, for either."""

BAD: dict[str, tuple[type, dict, str, str | None]] = {
    "no text": (AttentionRequest, {"text": ""}, "invalid_request", "text"),
    "no text in a chat": (AttentionRequest, {"text": "", "chat": True}, "invalid_request", "text"),
    "no ids": (AttentionRequest, {"token_ids": ()}, "invalid_request", "token_ids"),
    "no such id": (AttentionRequest, {"token_ids": (-1,)}, "invalid_request", "token_ids"),
    "too long": (AttentionRequest, {"token_ids": TOO_MANY}, "context_length_exceeded", "text"),
    "target": (AttentionRequest, {"text": "a", "target": "b"}, "invalid_request", "target"),
    "other weights": (AttentionRequest, {"text": "a", "fingerprint": "123"}, "model_changed", None),
    "forgotten": (LensRequest, {"attention": "att-nothing"}, "attention_not_found", "attention"),
    "part": (MapRequest, {"part": "cross", "layer": 0, "head": 0}, "invalid_request", "part"),
    "layer": (MapRequest, {"layer": 2, "head": 0}, "invalid_request", "layer"),
    "head": (MapRequest, {"layer": 0, "head": 4}, "invalid_request", "head"),
    "rows": (MapRequest, {"layer": 0, "head": 0, "queries": (3, 25)}, "invalid_request", "queries"),
    "columns": (MapRequest, {"layer": 0, "head": 0, "keys": (24, 30)}, "invalid_request", "keys"),
    "layers": (OverviewRequest, {"layers": (0, 7)}, "invalid_request", "layer"),
    "tensor's layer": (TensorRequest, {"name": "key", "layer": 2, "head": 0}, "invalid_request", "layer"),
    "tensor's head": (TensorRequest, {"name": "key", "layer": 0, "head": 9}, "invalid_request", "head"),
    "hidden layer": (TensorRequest, {"name": "hidden", "layer": 3}, "invalid_request", "layer"),
    "scores' part": (ScoresRequest, {"part": "encoder", "kinds": ("sink",)}, "invalid_request", "part"),
    "from": (ScoresRequest, {"kinds": ("from-to",), "queries": (24,), "keys": (0,)}, "invalid_request", "queries"),
    "to": (ScoresRequest, {"kinds": ("from-to",), "queries": (3,), "keys": (-1,)}, "invalid_request", "keys"),
    "unseen": (ScoresRequest, {"kinds": ("from-to",), "queries": (2,), "keys": (3,)}, "invalid_request", "queries"),
    "other part": (DiffRequest, {"part": "encoder"}, "invalid_request", "part"),
    "position": (LensRequest, {"position": 24}, "invalid_request", "position"),
    "ablated layer": (AblateRequest, {"heads": ((2, 0),)}, "invalid_request", "heads"),
    "ablated head": (AblateRequest, {"heads": ((0, 4),)}, "invalid_request", "heads"),
    "ablated position": (AblateRequest, {"heads": ((0, 0),), "position": -25}, "invalid_request", "position"),
    "no clean text": (PatchRequest, {"clean": "", "corrupt": "fox"}, "invalid_request", "clean"),
    "no corrupt text": (PatchRequest, {"clean": "fox", "corrupt": ""}, "invalid_request", "corrupt"),
    "twice the same": (PatchRequest, {"clean": "the fox", "corrupt": "the fox"}, "invalid_request", "corrupt"),
    "other length": (PatchRequest, {"clean": "the fox", "corrupt": "the fox ran"}, "invalid_request", "corrupt"),
    "long clean text": (PatchRequest, {"clean": "fox " * 1100, "corrupt": "a"}, "context_length_exceeded", "clean"),
    "no single answer": (
        PatchRequest,
        {"clean": "a", "corrupt": "b", "answer": "the fox"},
        "invalid_request",
        "answer",
    ),
    "no answer": (PatchRequest, {"clean": "a", "corrupt": "b", "answer": ""}, "invalid_request", "answer"),
    "one answer": (
        PatchRequest,
        {"clean": "a", "corrupt": "b", "answer": "c", "wrong": "c"},
        "invalid_request",
        "answer",
    ),
}
"""What is asked of an attention of 24 tokens in two layers of four heads, and what the refusal says."""


@pytest.fixture(params=["real", "fake"])
def engine(request, tiny, shared_engine):
    return shared_engine if request.param == "real" else FakeEngine(models=(tiny(),), n_layers=2, n_heads=4)


@pytest.mark.parametrize("case", BAD)
def test_both_refuse_it_alike(case, engine, tiny):
    kind, asked, code, param = BAD[case]
    fields = kind.__dataclass_fields__
    known = attention(engine, tiny(), token_ids=IDS).id
    usual = {"model": tiny(), "attention": known, "other": known, "part": "decoder"}
    request = kind(**{name: value for name, value in usual.items() if name in fields} | asked)
    with pytest.raises(GptNotebookError) as raised:
        all_of(engine.array(request) if isinstance(request, ArrayRequest) else engine.inspect(request))
    assert (raised.value.code, raised.value.param) == (code, param)
    assert engine.requests() == []


@pytest.mark.parametrize(("name", "head"), [("hidden", 0), ("key", None)])
def test_a_tensor_that_needs_another_head_is_no_request_at_all(name, head):
    with pytest.raises(GptNotebookError) as raised:
        TensorRequest(attention="att", part="decoder", name=name, layer=0, head=head)
    assert (raised.value.code, raised.value.param) == ("invalid_request", "head")


def test_both_tell_the_rows_of_a_batch_alike(engine, tiny):
    prompts = ("the fox", "fox " * 1100, "the owl")
    batch = BatchRequest(model=tiny(), prompts=prompts, options=SamplingOptions(max_new_tokens=3, temperature=0, n=2))
    started, *rows, done = [event for event in all_of(engine.batch(batch)) if not isinstance(event, Progress)]
    assert (started.type, started.model, done.type) == ("batch_started", tiny(), "done")
    by_index = {row.index: row for row in rows}
    assert [by_index[index].type for index in range(3)] == ["row_done", "row_failed", "row_done"]
    assert (by_index[1].error["code"], by_index[1].error["param"]) == ("context_length_exceeded", "prompt")
    assert [len(sample.tokens) for sample in by_index[2].samples] == [3, 3]
    assert engine.requests() == []
