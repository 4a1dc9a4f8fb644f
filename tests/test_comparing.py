"""Several models on the same prompt: they answer at once, and each reads what the others have said."""

from __future__ import annotations

import pytest

import gpt_notebook as gpt
from gpt_notebook import comparing
from gpt_notebook.comparison import Comparison, aligned
from gpt_notebook.completion import Completion
from gpt_notebook.errors import ConnectionLost, ContextLengthExceeded, InvalidRequest, ModelNotFound
from gpt_notebook.protocol import GenerateRequest, SamplingOptions, ScoreRequest, Token, Usage
from gpt_notebook.testing import FakeEngine, Gate, serving
from gpt_notebook.testing.fake_engine import SCORE
from gpt_notebook.testing.fake_vocabulary import LOGPROB


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def held(monkeypatch, settings, gate):
    """An engine that waits at the gate."""
    engine = FakeEngine("and that was that.", gate=gate, models=("storyteller", "other", "third"))
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        yield engine
        gate.open()


@pytest.fixture
def engine(held, gate):
    gate.open()
    return held


def asked(engine, kind):
    return [each for each in engine.asked if isinstance(each, kind)]


def test_each_model_goes_on_from_the_prompt_with_the_same_seed(engine):
    found = gpt.compare("Once", ["storyteller", "other"], max_new_tokens=4)
    assert [each.model for each in found.completions] == ["storyteller", "other"]
    requests = asked(engine, GenerateRequest)
    assert {each.prompt for each in requests} == {"Once"}
    seeds = {each.options.seed for each in requests}
    assert len(seeds) == 1
    assert None not in seeds
    assert gpt.compare("Once", ["storyteller", "other"], seed=7).completions[1].options.seed == 7


def test_they_answer_at_the_same_time(held, gate):
    events = comparing.events("Once", ["storyteller", "other", "third"])
    begun = set()
    while begun != {0, 1, 2}:
        told = next(events)
        assert told.event.type == "started"
        begun.add(told.model)
    assert len(held.requests()) == 3
    gate.open()
    assert sum(told.event.type == "done" for told in events) == 3


def test_each_reads_what_the_others_have_said_after_its_own_prompt(engine):
    found = gpt.compare("Once", ["storyteller", "other"], max_new_tokens=4)
    requests = asked(engine, ScoreRequest)
    assert {each.model for each in requests} == {"storyteller", "other"}
    for each in requests:
        reader = next(one for one in found.completions if one.model == each.model)
        assert each.prompt_token_ids == (reader.prompt_token_ids,)
    count = len(found.completions[0].tokens)
    assert found.log_likelihood(0, 0) == pytest.approx(count * LOGPROB)
    assert found.log_likelihood(0, 1) == pytest.approx(count * SCORE)
    assert found.disagreement(0, 1) == pytest.approx([LOGPROB - SCORE] * count)


def test_what_a_model_can_not_read_is_not_known(engine, monkeypatch):
    def refuse(self, request, **_):
        message = "too long"
        raise ContextLengthExceeded(message)

    monkeypatch.setattr("gpt_notebook.client.Client.score", refuse)
    found = gpt.compare("Once", ["storyteller", "other"])
    assert (found.log_likelihood(0, 1), found.disagreement(0, 1)) == (None, None)
    assert "under other" not in found._repr_mimebundle_()["text/html"]


def test_what_was_said_is_kept_when_the_model_kernel_is_lost_before_it_is_read(engine, monkeypatch):
    def lose(self, request, **_):
        message = "gone"
        raise ConnectionLost(message)

    monkeypatch.setattr("gpt_notebook.client.Client.score", lose)
    with pytest.raises(ConnectionLost) as failed:
        gpt.compare("Once", ["storyteller", "other"], max_new_tokens=4)
    assert [len(each.tokens) for each in failed.value.partial] == [4, 4]


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        (["storyteller"], {}, "two to 4 models can be compared, not 1"),
        (["a", "b", "c", "d", "e"], {}, "not 5"),
        ([None, "storyteller"], {}, "storyteller is there twice"),
        (["storyteller", "other"], {"n": 2}, "one sample each, not n=2"),
        (["storyteller", "other"], {"temprature": 2}, "did you mean temperature"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(engine, models, options, message):
    with pytest.raises(InvalidRequest, match=message):
        gpt.compare("Once", models, **options)
    assert engine.asked == []


def test_one_that_fails_ends_the_others(held):
    with pytest.raises(ModelNotFound) as failed:
        gpt.compare("Once", ["storyteller", "nobody"])
    assert [each.text for each in failed.value.partial] in ([], [""])
    held.wait_until(lambda: not held.requests())


def test_closing_stops_all_of_them(held):
    events = comparing.events("Once", ["storyteller", "other"])
    next(events)
    events.close()
    held.wait_until(lambda: not held.requests())


# --- other tokenizers -----------------------------------------------------------------------------------------------


def tokens(*texts, logprob=-1.0):
    return tuple(Token(id=at, text=text, logprob=logprob) for at, text in enumerate(texts))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["a", "b"], ["a", "b"], [([0], [0]), ([1], [1])]),
        (["ab", "c"], ["a", "b", "c"], [([0], [0, 1]), ([1], [2])]),
        (["ab", "cd"], ["a", "bc", "d"], [([0, 1], [0, 1, 2])]),
        (["a", "", "", "🦊", "b"], ["a", "🦊b"], [([0], [0]), ([1, 2, 3, 4], [1])]),
        ([], [], []),
    ],
)
def test_tokens_are_aligned_by_the_characters_that_they_cover(first, second, expected):
    found = [(list(one), list(other)) for one, other in aligned(tokens(*first), tokens(*second))]
    assert found == expected


def test_a_difference_is_shared_among_tokens_that_only_match_together():
    def completion(*texts, logprob):
        shown = tokens(*texts, logprob=logprob)
        return Completion(
            text="".join(texts), tokens=shown, finish_reason="stop", usage=Usage(prompt_tokens=1, completion_tokens=len(shown)),
            model="m", fingerprint="", options=SamplingOptions(seed=1), prompt="", prompt_token_ids=(1,),
        )  # fmt: skip

    found = Comparison(
        completions=(completion("a", "b", "c", logprob=-1.0), completion("abc", logprob=-2.0)),
        readings=((None, tokens("ab", "c", logprob=-4.0)), (tokens("a", "b", "c", logprob=-1.0), None)),
    )
    assert found.disagreement(0, 1) == (1.0, 1.0, 3.0)
    assert found.disagreement(1, 0) == (1.0,)
    assert found.log_likelihood(0, 1) == -8.0
