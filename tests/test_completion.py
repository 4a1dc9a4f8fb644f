"""Completions: put together from a stream's events, whole or as far as it came."""

from __future__ import annotations

import pytest
from fake_model_kernel import story

from gpt_notebook.completion import Collector, Completion
from gpt_notebook.errors import NotJson
from gpt_notebook.protocol import Progress, Token, Tokens


def collected(events) -> tuple[Completion, ...]:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.completions()


def test_a_whole_stream_is_a_complete_completion():
    (completion,) = collected(story(" upon", " a", " time"))
    assert str(completion) == completion.text == " upon a time"
    assert [token.text for token in completion.tokens] == [" upon", " a", " time"]
    assert (completion.finish_reason, completion.complete) == ("length", True)
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (1, 3)
    assert (completion.prompt, completion.prompt_token_ids) == ("Once", (5,))
    assert completion.timing.total == 0.1


def test_a_stream_that_was_cut_off_is_an_incomplete_one():
    (completion,) = collected(story(" upon", " a", " time")[:3])
    assert completion.text == " upon a"
    assert (completion.finish_reason, completion.complete) == (None, False)
    assert completion.usage.completion_tokens == 2
    assert "incomplete" in repr(completion)


def test_before_its_start_there_is_nothing():
    assert collected([Progress(stage="starting"), Progress(stage="queued", done=2)]) == ()


def test_samples_are_kept_apart_and_each_knows_its_seed():
    first, second = collected(story(" a", " b", n=2, seed=40))
    assert first.text == second.text == " a b"
    assert (first.seed, second.seed) == (40, 41)
    assert (first.index, second.index) == (0, 1)


def test_a_long_one_is_short_in_a_list():
    (completion,) = collected(story(*[" word"] * 500))
    assert len(repr(completion)) < 130


def test_special_tokens_have_no_text_in_it_whether_it_streams_or_comes_whole():
    started, *_ = events = story(" upon", " a")
    end = Token(id=0, text="</s>", special=True)
    (streamed,) = collected([*events[:3], Tokens(index=0, tokens=(end,))])
    whole = Completion.of(
        started, streamed.tokens, finish_reason=None, usage=streamed.usage, timing=streamed.timing, index=0
    )
    assert streamed.text == " upon a"
    assert whole == streamed


def test_json_in_a_completion_has_a_value_and_the_text_stays_where_it_is_none():
    (value,) = collected(story('{"name": ', '"Pip"}'))
    assert value.parsed == {"name": "Pip"}
    (broken,) = collected(story('{"name": ', "Pip"))
    with pytest.raises(NotJson, match="expecting value at line 1, column 10"):
        _ = broken.parsed
    assert broken.text == '{"name": Pip'
