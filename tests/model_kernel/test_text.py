from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_notebook.model_kernel.text import REPLACEMENT, StopStrings, Vocabulary, visible_text
from gpt_notebook.protocol import Token
from model_kernel import tiny_models

BYTE_LEVEL = tiny_models.byte_level_tokenizer()
METASPACE = tiny_models.metaspace_tokenizer()
TEXTS = ["a fox", "🦊🦊", "从前有一只狐狸。", "e\u0301 ñ\n\n", "  indented\n", "👩‍👩‍👧 family", "שלום", "tab\tand\r\n"]

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def streamed(tokenizer, prompt_ids, ids):
    vocabulary = Vocabulary(tokenizer)
    stream = vocabulary.stream(prompt_ids)
    return [token for i in ids for token in stream.add(vocabulary.token(i))] + stream.flush()


@pytest.mark.parametrize("tokenizer", [BYTE_LEVEL, METASPACE], ids=["byte-level", "metaspace"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_texts_of_tokens_joined_are_the_text(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    tokens = Vocabulary(tokenizer).tokens(ids)
    assert [token.id for token in tokens] == ids
    assert "".join(token.text for token in tokens) == text


@given(any_text)
def test_any_unicode_survives_byte_level_tokens(text):
    ids = BYTE_LEVEL(text)["input_ids"]
    assert "".join(token.text for token in Vocabulary(BYTE_LEVEL).tokens(ids)) == text


@given(any_text, any_text)
def test_a_continuation_adds_what_decoding_it_adds(prompt, continuation):
    prompt_ids, ids = BYTE_LEVEL(prompt)["input_ids"], BYTE_LEVEL(continuation)["input_ids"]
    assert "".join(token.text for token in streamed(BYTE_LEVEL, prompt_ids, ids)) == continuation


def test_a_character_of_several_tokens_is_the_text_of_the_last():
    tokens = Vocabulary(BYTE_LEVEL).tokens(BYTE_LEVEL("🦊")["input_ids"])
    assert [token.text for token in tokens] == [""] * (len(tokens) - 1) + ["🦊"]
    assert bytes(byte for token in tokens for byte in token.bytes) == "🦊".encode()


def test_nothing_is_shown_of_a_character_before_it_is_complete():
    vocabulary = Vocabulary(BYTE_LEVEL)
    stream = vocabulary.stream()
    *first, last = BYTE_LEVEL("🦊")["input_ids"]
    assert [stream.add(vocabulary.token(i)) for i in first] == [[]] * len(first)
    assert [token.text for token in stream.add(vocabulary.token(last))] == [*[""] * len(first), "🦊"]


@pytest.mark.parametrize("tokenizer", [BYTE_LEVEL, METASPACE], ids=["byte-level", "metaspace"])
def test_dangling_bytes_at_the_end_are_shown_as_the_tokenizer_shows_them(tokenizer):
    ids = tokenizer("a🦊", add_special_tokens=False)["input_ids"][:-1]
    tokens = Vocabulary(tokenizer).tokens(ids)
    assert [token.id for token in tokens] == ids
    assert "".join(token.text for token in tokens) == tokenizer.decode(ids)
    assert REPLACEMENT in tokens[-1].text


def test_a_broken_character_in_the_middle_delays_the_text_and_loses_nothing():
    fox, word = BYTE_LEVEL("🦊")["input_ids"][:-1], BYTE_LEVEL(" fox and owl")["input_ids"]
    tokens = streamed(BYTE_LEVEL, [], fox + word)
    assert [token.id for token in tokens] == fox + word
    assert "".join(token.text for token in tokens) == BYTE_LEVEL.decode(fox + word)


def test_a_metaspace_continuation_keeps_the_space_before_its_first_word():
    prompt = METASPACE("Once upon", add_special_tokens=False)["input_ids"]
    ids = METASPACE("Once upon a time", add_special_tokens=False)["input_ids"]
    assert "".join(token.text for token in streamed(METASPACE, prompt, ids[len(prompt) :])) == " a time"


def test_special_tokens_are_marked_and_not_part_of_the_visible_text():
    ids = [*BYTE_LEVEL("fox")["input_ids"], 0, *BYTE_LEVEL(" owl")["input_ids"]]
    tokens = Vocabulary(BYTE_LEVEL).tokens(ids)
    assert [token.text for token in tokens if token.special] == ["<|endoftext|>"]
    assert visible_text(tokens) == "fox owl"


def test_an_id_beyond_the_tokenizer_has_no_text():
    """Models pad their vocabulary, and a random one may draw the padding."""
    (token,) = Vocabulary(BYTE_LEVEL).tokens([len(BYTE_LEVEL) + 5])
    assert token.text == ""


def shown(texts, stop):
    stops = StopStrings(stop)
    tokens = []
    for text in texts:
        tokens += stops.add([Token(id=0, text=text)])
        if stops.found:
            return visible_text(tokens), True
    return visible_text(tokens + stops.flush()), False


pieces = st.lists(st.text("ab\n", max_size=4), max_size=12)


@given(pieces, st.lists(st.text("ab\n", min_size=1, max_size=4), min_size=1, max_size=3))
def test_the_text_ends_before_the_first_stop_string_wherever_tokens_begin(texts, stop):
    whole = "".join(texts)
    ends = [whole.find(each) for each in stop if each in whole]
    found, is_found = shown(texts, stop)
    assert is_found == bool(ends)
    if not ends:
        assert found == whole
        return
    # Tokens come one by one: of two stop strings, the one that is complete first ends the text.
    complete = min(whole.find(each) + len(each) for each in stop if each in whole)
    end = next(n for n in _lengths(texts) if n >= complete)
    seen = whole[:end]
    assert found == whole[: min(seen.find(each) for each in stop if each in seen)]


def _lengths(texts):
    length = 0
    for text in texts:
        length += len(text)
        yield length


@given(pieces, st.text("ab\n", min_size=1, max_size=4))
def test_only_what_could_begin_the_stop_string_is_held_back(texts, stop):
    stops = StopStrings([stop])
    whole, released = "", ""
    for text in texts:
        whole += text
        released += visible_text(stops.add([Token(id=0, text=text)]))
        if stops.found:
            return
        beginning = any(whole.endswith(stop[:n]) for n in range(1, len(stop)))
        assert beginning or released == whole
