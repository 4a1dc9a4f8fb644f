"""Questions about the inside of a model that have no answer, and what is said instead."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gpt_notebook.attention_protocol import (
    AblateRequest,
    DiffRequest,
    LensRequest,
    MapRequest,
    OverviewRequest,
    ScoresRequest,
    TensorRequest,
)
from gpt_notebook.errors import (
    AttentionNotFound,
    ContextLengthExceeded,
    InvalidRequest,
    ModelChanged,
    ModelUnsupported,
    OutOfMemory,
)
from gpt_notebook.model_kernel.engine import Engine
from gpt_notebook.protocol import LoadRequest
from gpt_notebook.settings import Settings
from model_kernel import tiny_models
from model_kernel.asking import BYTES, IDS, all_of, answer, array, attention, in_use
from model_kernel.families import CONTEXT

SENTENCE = "The fox went to the river."


@pytest.fixture
def small_engine(tmp_path):
    """An engine that keeps the attention of two texts of 24 tokens."""
    engine = Engine(Settings(home=tmp_path / "home", attention_budget=2 * 24 * BYTES))
    yield engine
    engine.close()


# --- what cannot be asked -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_for", "complaint"),
    [
        (lambda of: MapRequest(**of, layer=2, head=0), "no layer 2 in .*: layers go from 0 to 1"),
        (lambda of: MapRequest(**of, layer=-1, head=0), "no layer -1 in .*: layers go from 0 to 1"),
        (lambda of: MapRequest(**of, layer=0, head=4), "no head 4 in layer 0 of .*: heads go from 0 to 3"),
        (lambda of: MapRequest(**of, layer=0, head=-1), "no head -1 in layer 0 of .*: heads go from 0 to 3"),
        (lambda of: MapRequest(**of | {"part": "cross"}, layer=0, head=0), "has no cross attention: it has decoder"),
        (lambda of: MapRequest(**of, layer=0, head=0, queries=(3, 25)), "queries 3 to 25 .*: the text has 24 tokens"),
        (lambda of: MapRequest(**of, layer=0, head=0, keys=(24, 30)), "keys 24 to 30 .*: the text has 24 tokens"),
        (lambda of: OverviewRequest(**of, layers=(0, 7)), "no layer 7 in .*: layers go from 0 to 1"),
        (lambda of: OverviewRequest(**of, heads=(0, 4)), "no head 4 in layer 0 of .*: heads go from 0 to 3"),
        (lambda of: OverviewRequest(**of, queries=(20, 25)), "queries 20 to 25 .*: the text has 24 tokens"),
        (lambda of: OverviewRequest(**of | {"part": "encoder"}), "has no encoder attention: it has decoder"),
        (lambda of: TensorRequest(**of, layer=0, head=9, name="key"), "no head 9 in layer 0 of .* from 0 to 3"),
        (lambda of: TensorRequest(**of, layer=3, name="hidden"), "no hidden state 3 .* 0 .* to 2"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(request_for, complaint, tiny, shared_engine):
    info = attention(shared_engine, tiny(), token_ids=IDS)
    with pytest.raises(InvalidRequest, match=complaint):
        array(shared_engine, request_for({"attention": info.id, "part": "decoder"}))
    assert in_use(shared_engine, tiny()) == 0
    assert shared_engine.requests() == []


@pytest.mark.parametrize(
    ("request_for", "complaint"),
    [
        (lambda of: ScoresRequest(**of, part="cross", kinds=("sink",)), "no cross attention: it has decoder"),
        (lambda of: ScoresRequest(**of, part="decoder", kinds=("from-to",), queries=(24,), keys=(0,)), "0 to 23"),
        (lambda of: DiffRequest(**of, other=of["attention"], part="encoder"), "no encoder attention"),
        (lambda of: LensRequest(**of, position=24), "24"),
        (lambda of: AblateRequest(**of, heads=((0, 4),)), "no head 4"),
    ],
)
def test_questions_about_what_is_not_there_are_refused(request_for, complaint, tiny, shared_engine):
    info = attention(shared_engine, tiny(), token_ids=IDS)
    with pytest.raises(InvalidRequest, match=complaint):
        answer(shared_engine, request_for({"attention": info.id}))


def test_a_layer_without_attention_is_refused_with_those_that_have_it(tiny, shared_engine):
    info = attention(shared_engine, tiny("lfm2"), token_ids=IDS)
    with pytest.raises(InvalidRequest, match=r"layer 0 of .* has no attention: choose one of 1"):
        array(shared_engine, MapRequest(attention=info.id, part="decoder", layer=0, head=0))


def test_different_lengths_are_not_compared(tiny, shared_engine):
    one, other = (attention(shared_engine, tiny(), token_ids=ids) for ids in (IDS, IDS[:-1]))
    with pytest.raises(InvalidRequest, match="24 by 24 tokens in 2 layers of 4 heads and 23 by 23 tokens"):
        answer(shared_engine, DiffRequest(attention=one.id, other=other.id, part="decoder"))


def test_a_model_without_attention_is_refused_by_name(tiny, shared_engine):
    with pytest.raises(ModelUnsupported, match=rf"attention of {tiny('mamba')} \(mamba\) is not there"):
        attention(shared_engine, tiny("mamba"), SENTENCE)
    assert in_use(shared_engine, tiny("mamba")) == 0


@pytest.mark.parametrize(
    ("asked", "error", "complaint"),
    [
        ({"text": ""}, InvalidRequest, "the text is empty"),
        ({"token_ids": ()}, InvalidRequest, "token_ids is empty"),
        ({"token_ids": (999,)}, InvalidRequest, "999 is no token id"),
        ({"token_ids": (5,) * (CONTEXT + 1)}, ContextLengthExceeded, f"{CONTEXT + 1} tokens .* {CONTEXT}"),
        ({"text": "fox", "target": "owl"}, InvalidRequest, "a target is for encoder-decoders"),
    ],
)
def test_texts_that_no_attention_can_be_of_are_refused(asked, error, complaint, tiny, shared_engine):
    with pytest.raises(error, match=complaint):
        attention(shared_engine, tiny(), **asked)
    assert in_use(shared_engine, tiny()) == 0


@pytest.mark.parametrize("family", ["gpt2", "mistral", "gpt_neo", "gemma2", "t5", "bert"])
def test_a_single_token_attends_to_itself(family, tiny, shared_engine):
    info = attention(shared_engine, tiny(family), token_ids=(7,))
    assert len(info.tokens) == 1
    found = array(shared_engine, MapRequest(attention=info.id, part=info.parts[0].name, layer=1, head=3))
    np.testing.assert_allclose(found, [[1.0]], atol=1e-6)


def test_an_encoder_decoder_without_a_target_begins_one(tiny, shared_engine):
    info = attention(shared_engine, tiny("t5"), SENTENCE)
    assert [token.id for token in info.target_tokens] == [0]


# --- attentions that are gone, models that have changed --------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "request_for"),
    [
        (array, lambda _: MapRequest(attention="att-nothing", part="decoder", layer=0, head=0)),
        (answer, lambda _: ScoresRequest(attention="att-nothing", part="decoder", kinds=("sink",))),
        (answer, lambda known: DiffRequest(attention=known, other="att-nothing", part="decoder")),
    ],
    ids=["map", "scores", "diff"],
)
def test_an_unknown_attention_is_not_found(ask, request_for, tiny, shared_engine):
    known = attention(shared_engine, tiny(), token_ids=IDS).id
    with pytest.raises(AttentionNotFound, match="'att-nothing' is not kept any more: make it again"):
        ask(shared_engine, request_for(known))
    assert shared_engine.requests() == []


def test_an_attention_that_was_evicted_is_the_same_when_it_is_made_again(tiny, small_engine):
    first = attention(small_engine, tiny(), token_ids=IDS)
    question = MapRequest(attention=first.id, part="decoder", layer=1, head=1)
    before = array(small_engine, question)
    for shift in (1, 2):
        attention(small_engine, tiny(), token_ids=tuple(i + shift for i in IDS))
    with pytest.raises(AttentionNotFound):
        array(small_engine, question)
    assert attention(small_engine, tiny(), token_ids=IDS) == first
    assert (array(small_engine, question) == before).all()


def test_one_that_is_asked_for_stays(tiny, small_engine):
    first, second = (attention(small_engine, tiny(), token_ids=ids) for ids in (IDS, IDS[::-1]))
    array(small_engine, MapRequest(attention=first.id, part="decoder", layer=0, head=0))
    attention(small_engine, tiny(), token_ids=IDS[:-1])
    array(small_engine, MapRequest(attention=first.id, part="decoder", layer=0, head=0))
    with pytest.raises(AttentionNotFound):
        array(small_engine, MapRequest(attention=second.id, part="decoder", layer=0, head=0))


def test_a_text_that_is_too_long_for_the_budget_is_refused_with_the_setting(tiny, small_engine):
    with pytest.raises(OutOfMemory, match=r"the attention of 49 tokens in .* raise GPT_NOTEBOOK_ATTENTION_BUDGET"):
        attention(small_engine, tiny(), token_ids=(5,) * 49)
    assert len(attention(small_engine, tiny(), token_ids=(5,) * 48).tokens) == 48


def test_the_attention_of_a_model_that_was_saved_again_is_refused(own_tiny, engine):
    model = str(own_tiny)
    info = attention(engine, model, token_ids=IDS)
    tiny_models.save(own_tiny, seed=1)
    with pytest.raises(ModelChanged, match="have changed since: make it again"):
        array(engine, MapRequest(attention=info.id, part="decoder", layer=0, head=0))
    with pytest.raises(ModelChanged):
        answer(engine, ScoresRequest(attention=info.id, part="decoder", kinds=("sink",)))
    with pytest.raises(ModelChanged):
        attention(engine, model, token_ids=IDS, fingerprint=info.fingerprint)
    again = attention(engine, model, token_ids=IDS)
    assert again.id != info.id
    assert dataclasses.replace(again, id=info.id, fingerprint=info.fingerprint) == info
    assert in_use(engine, model) == 0


# --- more than makes sense -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "asked", "complaint"),
    [
        (ScoresRequest, {"kinds": ("sink", "sink")}, "kinds names sink more than once"),
        (ScoresRequest, {"kinds": ("from-to",), "queries": (9, 9), "keys": (0,)}, "queries names 9 more than once"),
        (ScoresRequest, {"kinds": ("from-to",), "queries": (9,), "keys": tuple(range(100_001))}, "keys names 100,001"),
        (OverviewRequest, {"layers": (0, 1, 0)}, "layers names 0 more than once"),
    ],
)
def test_what_is_named_twice_is_not_computed_twice(kind, asked, complaint):
    with pytest.raises(InvalidRequest, match=complaint):
        kind(attention="att-any", part="decoder", **asked)


def test_a_head_named_twice_is_refused():
    with pytest.raises(InvalidRequest, match=r"heads names \(0, 1\) more than once"):
        AblateRequest(attention="att-any", heads=((0, 1), (0, 1)))


def test_an_attention_of_a_dtype_that_was_asked_for_comes_back_in_it(tiny, engine):
    model = tiny("llama")
    all_of(engine.load(LoadRequest(model=model, dtype="bfloat16")))
    info = attention(engine, model, token_ids=IDS)
    before = array(engine, MapRequest(attention=info.id, part="decoder", layer=0, head=0))
    engine._models.unload(model)
    np.testing.assert_array_equal(array(engine, MapRequest(attention=info.id, part="decoder", layer=0, head=0)), before)
    assert info.fingerprint.endswith("bfloat16")
