"""The texts of a patching are tokens that can be compared, or the refusal shows why not."""

from __future__ import annotations

import pytest

from gpt_notebook.attention_protocol import PatchRequest
from gpt_notebook.errors import ContextLengthExceeded, InvalidRequest
from gpt_notebook.model_kernel.attention.patch_texts import patch_texts
from gpt_notebook.model_kernel.attention.patching import Patching
from model_kernel.attention.hooked import CLEAN
from model_kernel.families import CONTEXT


def test_texts_become_the_tokenizers_ids(gpt2):
    texts = patch_texts(gpt2, PatchRequest(clean="the fox", corrupt="the owl", answer=" fox", wrong=" owl"))
    assert texts.clean == gpt2.tokenizer("the fox")["input_ids"]
    assert texts.corrupt == gpt2.tokenizer("the owl")["input_ids"]
    assert (texts.answer, texts.wrong) == tuple(gpt2.tokenizer(text)["input_ids"][0] for text in (" fox", " owl"))
    texts = patch_texts(gpt2, PatchRequest(clean="the fox", corrupt="the owl", add_special_tokens=False))
    assert (texts.answer, texts.wrong) == (None, None)


def test_texts_of_different_lengths_are_shown_as_they_were_cut(gpt2):
    texts = patch_texts(gpt2, PatchRequest(clean="The fox said the fox", corrupt="The zebra said the fox"))
    with pytest.raises(InvalidRequest) as raised:
        Patching(gpt2, texts.clean, texts.corrupt)
    message = raised.value.message
    assert f"clean has {len(texts.clean)} tokens and corrupt {len(texts.corrupt)}" in message
    assert " fox|" in message
    assert "z|e|b" in message
    assert "choose words that are as many tokens" in message
    assert len(message) < 300


def test_the_same_text_twice_and_an_empty_text_are_refused(gpt2):
    with pytest.raises(InvalidRequest, match="the same tokens"):
        Patching(gpt2, CLEAN, CLEAN)
    with pytest.raises(InvalidRequest, match="the corrupt text is empty: give it a word"):
        patch_texts(gpt2, PatchRequest(clean="fox", corrupt="", add_special_tokens=False))
    with pytest.raises(InvalidRequest, match="the clean text is empty"):
        patch_texts(gpt2, PatchRequest(clean="", corrupt="fox"))
    with pytest.raises(ContextLengthExceeded):
        patch_texts(gpt2, PatchRequest(clean="z" * (CONTEXT + 1), corrupt="fox"))


def test_an_answer_is_one_token(gpt2):
    def refused(answer):
        with pytest.raises(InvalidRequest, match="answer must be one token") as raised:
            patch_texts(gpt2, PatchRequest(clean="the fox", corrupt="the owl", answer=answer))
        return raised.value.message

    assert "answer=' fox' is one" in refused("fox")
    assert "z|e|b|r|a" in refused("zebra")
    assert "leading space" in refused("zebra")
    assert "is 0" in refused("")
