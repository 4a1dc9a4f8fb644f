"""Questions about the inside of a model, asked of an engine."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing

import numpy as np
import pytest

from gpt_notebook.attention_protocol import (
    AttentionRequest,
    Captured,
    DiffRequest,
    HeadScores,
    MapRequest,
    OverviewRequest,
    ScoresRequest,
    TensorRequest,
)
from gpt_notebook.errors import AttentionNotFound, GptNotebookError, RequestCancelled
from gpt_notebook.model_kernel.attention import arrays, pieces, reading
from gpt_notebook.model_kernel.attention import source as map_source
from model_kernel.asking import BYTES, IDS, all_of, answer, array, attention, in_use, wait_for

SENTENCE = "The fox went to the river and the owl knew a story about the moon."


@pytest.fixture
def in_small_steps(monkeypatch):
    """Let maps be computed a row at a step, and texts be read few tokens at a step."""
    monkeypatch.setattr(map_source, "TILE_ELEMENTS", 1)
    monkeypatch.setattr(reading, "FIRST_TOKENS", 16)
    monkeypatch.setattr(pieces.Computation, "due", lambda _: True)


# --- what an attention is -------------------------------------------------------------------------------------------


def test_an_attention_tells_what_it_is_of(tiny, shared_engine):
    info = attention(shared_engine, tiny("llama"), SENTENCE)
    assert "".join(token.text for token in info.tokens) == SENTENCE
    assert info.target_tokens == ()
    assert (info.model, info.n_layers, info.n_heads, info.causal) == (tiny("llama"), 2, 4, True)
    (part,) = info.parts
    assert (part.name, part.heads, part.key_heads) == ("decoder", (4, 4), (2, 2))
    assert part.n_queries == part.n_keys == len(info.tokens)
    assert part.scaling == (8**-0.5,) * 2
    assert info.bytes == 2 * (4 + 2) * 8 * 4 * len(info.tokens)


def test_an_encoder_decoder_tells_of_all_its_parts(tiny, shared_engine):
    info = attention(shared_engine, tiny("bart"), SENTENCE, target="The owl")
    assert info.target_tokens[0].id == 0
    assert "".join(token.text for token in info.target_tokens[1:]) == "The owl"
    assert not info.causal
    n_text, n_target = len(info.tokens), len(info.target_tokens)
    assert {part.name: (part.heads, part.n_queries, part.n_keys) for part in info.parts} == {
        "encoder": ((4, 4), n_text, n_text),
        "decoder": ((2, 2, 2), n_target, n_target),
        "cross": ((2, 2, 2), n_target, n_text),
    }
    assert (info.n_layers, info.n_heads) == (3, 4)


@pytest.mark.parametrize(("family", "part", "causal"), [("bert", "encoder", False), ("lfm2", "decoder", True)])
def test_the_table_of_heads_has_a_place_for_every_layer(family, part, causal, tiny, shared_engine):
    info = attention(shared_engine, tiny(family), SENTENCE)
    (found,) = info.parts
    assert (found.name, info.causal) == (part, causal)
    assert found.heads == ((0, 4) if family == "lfm2" else (4, 4))


def test_a_long_text_tells_its_progress(tiny, shared_engine):
    model = tiny("llama", max_position_embeddings=600)
    *progress, captured, _ = all_of(shared_engine.inspect(AttentionRequest(model=model, token_ids=(5,) * 500)))
    assert isinstance(captured, Captured)
    recording = [each for each in progress if each.stage == "recording"]
    assert recording[-1].done == recording[-1].total == 500


def test_an_attention_that_is_kept_is_not_made_again(tiny, shared_engine, monkeypatch):
    first = attention(shared_engine, tiny(), token_ids=IDS)
    monkeypatch.setattr("gpt_notebook.model_kernel.inspection.Recording", None)
    assert attention(shared_engine, tiny(), token_ids=IDS) == first


def test_memory_says_what_attentions_take(tiny, engine):
    attention(engine, tiny(), token_ids=IDS)
    assert engine.memory().captures == 24 * BYTES


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo"])
@pytest.mark.parametrize("kind", ["scores", "diff", "map", "value"])
def test_what_an_answer_leaves_behind_is_counted(kind, family, tiny, engine):
    info, other = attention(engine, tiny(family), token_ids=IDS), attention(engine, tiny(family), token_ids=IDS[::-1])
    before = engine.memory().captures
    of = {"attention": info.id, "part": "decoder"}
    match kind:
        case "scores":
            answer(engine, ScoresRequest(**of, kinds=("sink",)))
        case "diff":
            answer(engine, DiffRequest(**of, other=other.id))
        case "map":
            array(engine, MapRequest(**of, layer=0, head=0))
        case "value":
            array(engine, TensorRequest(**of, layer=0, head=0, name="value"))
    weights, values = 2 * 4 * 24 * 24 * 4, 2 * 4 * 8 * 24 * 4
    tapped = {"scores": weights, "diff": 2 * weights, "map": weights}
    expected = values if kind == "value" else tapped[kind] if family == "gpt_neo" else 0
    assert engine.memory().captures - before == expected


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo"])
def test_what_a_failed_answer_leaves_behind_is_counted(family, tiny, engine, monkeypatch):
    """The text was read again for it, and what that brought stays with the attention."""
    info = attention(engine, tiny(family), token_ids=IDS)
    before = engine.memory().captures

    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(arrays, "elements", fail)
    asked = {"attention": info.id, "part": "decoder", "layer": 0, "head": 0}
    with pytest.raises(GptNotebookError, match="ZeroDivisionError"):
        array(engine, TensorRequest(**asked, name="value") if family == "gpt2" else MapRequest(**asked))
    left = 2 * 4 * 8 * 24 * 4 if family == "gpt2" else 2 * 4 * 24 * 24 * 4
    assert engine.memory().captures - before == left


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "mistral", "gptj"])
def test_a_map_a_tile_and_a_picture_agree(family, tiny, shared_engine):
    info = attention(shared_engine, tiny(family), token_ids=IDS)
    of = {"attention": info.id, "part": "decoder"}
    whole = array(shared_engine, MapRequest(**of, layer=1, head=2))
    tile = array(shared_engine, MapRequest(**of, layer=1, head=2, queries=(5, 20), keys=(3, 9)))
    picture = array(shared_engine, OverviewRequest(**of, layers=(1,), size=8))
    np.testing.assert_allclose(whole.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(tile, whole[5:20, 3:9], atol=1e-6)
    np.testing.assert_allclose(picture[0, 2], whole.reshape(8, 3, 8, 3).mean((1, 3)), atol=1e-6)


def test_scores_and_a_difference_are_answered(tiny, shared_engine):
    one, other = (attention(shared_engine, tiny(), token_ids=ids) for ids in (IDS, IDS[::-1]))
    found = answer(shared_engine, ScoresRequest(attention=one.id, part="decoder", kinds=("sink", "entropy")))
    weights = array(shared_engine, MapRequest(attention=one.id, part="decoder", layer=1, head=3))
    assert isinstance(found, HeadScores)
    assert found.values[0][1][3] == pytest.approx(weights[1:, 0].mean(), rel=1e-5)
    difference = answer(shared_engine, DiffRequest(attention=one.id, other=other.id, part="decoder"))
    assert all(0 < score < np.log(2) for row in difference.values[0] for score in row)


def test_a_text_can_be_compared_with_itself(tiny, shared_engine):
    info = attention(shared_engine, tiny(), token_ids=IDS)
    found = answer(shared_engine, DiffRequest(attention=info.id, other=info.id, part="decoder"))
    assert found.values == (((0.0,) * 4,) * 2,)


def test_unloading_a_model_gives_back_what_its_attentions_took(tiny, engine):
    info = attention(engine, tiny(), token_ids=IDS)
    engine.unload(tiny())
    assert engine.memory().captures == 0
    with pytest.raises(AttentionNotFound):
        array(engine, MapRequest(attention=info.id, part="decoder", layer=0, head=0))


def test_a_question_loads_a_model_that_has_been_evicted(tiny, engine):
    info = attention(engine, tiny(), token_ids=IDS)
    before = array(engine, TensorRequest(attention=info.id, part="decoder", layer=0, head=0, name="value"))
    engine._models.unload(tiny())
    again = array(engine, TensorRequest(attention=info.id, part="decoder", layer=0, head=1, name="value"))
    assert before.shape == again.shape
    assert in_use(engine, tiny()) == 0


# --- cancelling and going away ---------------------------------------------------------------------------------------


class Gate:
    """Holds a computation before its second step."""

    def __init__(self):
        self.reached, self.opened, self.work = threading.Event(), threading.Event(), None

    def passed(self, work):
        if self.work is work:
            self.reached.set()
            assert self.opened.wait(10)
        self.work = work


@pytest.fixture
def gate(monkeypatch, in_small_steps):
    made, real = Gate(), pieces.Computation.step

    def step(work):
        made.passed(work)
        return real(work)

    monkeypatch.setattr(pieces.Computation, "step", step)
    yield made
    made.opened.set()


def long_answer(engine, what, model):
    """A long answer of some kind, not yet begun."""
    text = tuple(range(1, 300)) + tuple(range(1, 200))
    if what == "record":
        return engine.inspect(AttentionRequest(model=model, token_ids=text))
    of = {"attention": attention(engine, model, token_ids=text).id, "part": "decoder"}
    if what == "scores":
        return engine.inspect(ScoresRequest(**of, kinds=("entropy",)))
    return engine.array(MapRequest(**of, layer=0, head=0))


@pytest.mark.parametrize("leave", ["cancel", "go away"])
@pytest.mark.parametrize("what", ["record", "scores", "map"])
def test_nobody_waits_for_the_end_of_an_answer_that_nobody_wants(what, leave, tiny, engine, gate):
    model = tiny("llama", max_position_embeddings=600)
    gate.opened.set()
    answered = long_answer(engine, what, model)
    gate.opened.clear()
    gate.reached.clear()

    async def collect():
        async with aclosing(answered) as items:
            return [item async for item in items]

    async def story():
        waiting = asyncio.create_task(collect())
        assert await asyncio.to_thread(gate.reached.wait, 10)
        assert in_use(engine, model) == 1
        if leave == "cancel":
            assert engine.cancel(None) == 1
            gate.opened.set()
            with pytest.raises(RequestCancelled, match="cancelled before it was done"):
                await waiting
        else:
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert gate.work.cancelled
        assert engine.requests() == []
        assert in_use(engine, model) == 0
        gate.opened.set()

    wait_for(story())


def test_questions_asked_at_the_same_time_are_all_answered(tiny, shared_engine, in_small_steps):
    one, other = (attention(shared_engine, tiny(family), token_ids=IDS) for family in ("gpt2", "gpt_neo"))
    questions = [
        MapRequest(attention=info.id, part="decoder", layer=layer, head=head)
        for info in (one, other)
        for layer in (0, 1)
        for head in (0, 1)
    ]
    alone = [array(shared_engine, question) for question in questions]

    async def collect(question):
        shape, *blocks = [item async for item in shared_engine.array(question)]
        return np.frombuffer(b"".join(blocks), np.float32).reshape(shape)

    async def together():
        return await asyncio.gather(*(collect(question) for question in questions))

    for found, expected in zip(wait_for(together()), alone, strict=True):
        assert (found == expected).all()
