from __future__ import annotations

from contextlib import aclosing

import pytest

from gpt_notebook.errors import ContextLengthExceeded, InvalidRequest, RequestCancelled
from gpt_notebook.protocol import NextRequest, Scored, ScoreRequest
from model_kernel.asking import Reference, scores, wait_for
from model_kernel.families import CONTEXT
from model_kernel.tiny_models import TEXT


@pytest.fixture(scope="module")
def reference(tiny):
    return Reference(tiny())


def expected_logprobs(reference, before, scored):
    rows = reference.logprobs([*before, *scored])[len(before) - 1 : -1] if before else reference.logprobs(scored)[:-1]
    chosen = scored if before else scored[1:]
    return [float(row[token_id]) for row, token_id in zip(rows, chosen, strict=True)]


def test_continuations_are_scored_by_the_log_softmax_of_their_tokens(tiny, shared_engine, reference):
    prompts, continuations = ("Once upon a", "The fox", "Who"), (" time there", " river", " are you?\n")
    made = scores(shared_engine, ScoreRequest(model=tiny(), prompts=prompts, continuations=continuations))
    for prompt, continuation, score in zip(prompts, continuations, made, strict=True):
        before, scored = (reference.tokenizer(text)["input_ids"] for text in (prompt, continuation))
        expected = expected_logprobs(reference, before, scored)
        assert [token.id for token in score.tokens] == scored
        assert [token.logprob for token in score.tokens] == pytest.approx(expected, abs=1e-4)
        assert score.logprob == pytest.approx(sum(expected), abs=1e-3)
        assert "".join(token.text for token in score.tokens) == continuation


def test_a_text_alone_is_scored_after_its_first_token(tiny, shared_engine, reference):
    text = TEXT[:60]
    (score,) = scores(shared_engine, ScoreRequest(model=tiny(), prompts=(text,)))
    ids = reference.tokenizer(text)["input_ids"]
    assert score.tokens[0].logprob is None
    expected = expected_logprobs(reference, [], ids)
    assert [token.logprob for token in score.tokens[1:]] == pytest.approx(expected, abs=1e-4)
    assert score.logprob == pytest.approx(sum(expected), abs=1e-3)


@pytest.mark.parametrize("before", ["", "Once upon a"])
def test_each_token_of_a_text_is_told_with_what_else_there_was(tiny, shared_engine, reference, before):
    text = TEXT[:40]
    pair = {"prompts": (before,), "continuations": (text,)} if before else {"prompts": (text,)}
    (score,) = scores(shared_engine, ScoreRequest(model=tiny(), **pair, logprobs=3))
    ids = [reference.tokenizer(each)["input_ids"] for each in (before, text)]
    rows = reference.logprobs([*ids[0], *ids[1]])
    for place, token in enumerate(score.tokens, start=len(ids[0])):
        if place == 0:
            assert (token.rank, token.entropy, token.top_logprobs) == (None, None, ())
            continue
        row = rows[place - 1]
        assert token.rank == 1 + int((row > row[token.id]).sum())
        assert token.entropy == pytest.approx(float(-(row.exp() * row).sum()), abs=1e-4)
        assert [each.id for each in token.top_logprobs] == row.topk(3).indices.tolist()
        assert [each.logprob for each in token.top_logprobs] == pytest.approx(row.topk(3).values.tolist(), abs=1e-4)
        assert token.sampling_probability is None


def test_what_came_before_may_be_given_as_ids(tiny, shared_engine, reference):
    ids = tuple(reference.tokenizer("Once upon a")["input_ids"])
    by_text = ScoreRequest(model=tiny(), prompts=("Once upon a",), continuations=(" time there",))
    by_ids = ScoreRequest(model=tiny(), prompt_token_ids=(ids,), continuations=(" time there",))
    assert scores(shared_engine, by_ids) == scores(shared_engine, by_text)
    with pytest.raises(InvalidRequest, match="is no token id"):
        scores(shared_engine, ScoreRequest(model=tiny(), prompt_token_ids=((10**6,),), continuations=(" time",)))


@pytest.mark.parametrize(
    "given",
    [{"prompts": ("a",)}, {"continuations": None}, {"continuations": ("a", "b")}, {"logprobs": 21}, {"logprobs": -1}],
)
def test_a_scoring_that_makes_no_sense_is_refused(given):
    with pytest.raises(InvalidRequest):
        ScoreRequest(**{"prompt_token_ids": ((1,),), "continuations": ("a",), **given})


def test_a_text_of_one_token_has_nothing_to_add_up(tiny, shared_engine):
    (score,) = scores(shared_engine, ScoreRequest(model=tiny(), prompts=("a",)))
    assert [token.logprob for token in score.tokens] == [None]
    assert score.logprob == 0


def test_a_text_may_fill_the_context_and_no_more(tiny, shared_engine):
    (score,) = scores(shared_engine, ScoreRequest(model=tiny(), prompts=("z" * CONTEXT,)))
    assert len(score.tokens) == CONTEXT
    with pytest.raises(ContextLengthExceeded, match=f"{CONTEXT + 1} tokens"):
        scores(shared_engine, ScoreRequest(model=tiny(), prompts=("z" * (CONTEXT + 1),)))


def test_an_empty_continuation_is_refused(tiny, shared_engine):
    with pytest.raises(InvalidRequest, match="nothing to score"):
        scores(shared_engine, ScoreRequest(model=tiny(), prompts=("a",), continuations=("",)))


def test_the_next_tokens_are_the_most_probable_ones(tiny, shared_engine, reference):
    tokens = wait_for(shared_engine.next(NextRequest(model=tiny(), prompt="Once upon", k=7)))
    best = reference.logprobs(reference.tokenizer("Once upon")["input_ids"])[-1].topk(7)
    assert [token.id for token in tokens] == best.indices.tolist()
    assert [token.logprob for token in tokens] == pytest.approx(best.values.tolist(), abs=1e-4)


def test_more_next_tokens_than_there_are_is_all_of_them(tiny, shared_engine, reference):
    tokens = wait_for(shared_engine.next(NextRequest(model=tiny(), prompt="Once upon", k=10**6)))
    assert len(tokens) == reference.model.config.vocab_size


def test_a_cancelled_scoring_is_an_error_and_never_half_an_answer(tiny, shared_engine):
    async def story():
        async with aclosing(shared_engine.score(ScoreRequest(model=tiny(), prompts=("Once",) * 500))) as events:
            async for event in events:
                if isinstance(event, Scored):
                    shared_engine.cancel(None)

    with pytest.raises(RequestCancelled):
        wait_for(story())
