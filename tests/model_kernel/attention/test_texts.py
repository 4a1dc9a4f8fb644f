"""Which tokens an attention is of."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gpt_notebook.attention_protocol import AttentionRequest
from gpt_notebook.errors import ContextLengthExceeded, InvalidRequest
from gpt_notebook.model_kernel import prompts
from gpt_notebook.model_kernel.attention.texts import text_of
from model_kernel.families import CONTEXT
from model_kernel.tiny_models import CHAT_TEMPLATE

SENTENCE = "The fox went to the river."


@pytest.fixture
def text(loaded):
    """Returns the tokens of a request to a family's model."""

    def make(family="gpt2", *, model=None, **asked):
        return text_of(model or loaded(family), AttentionRequest(model="tiny", **asked))

    return make


def test_a_text_is_what_the_tokenizer_makes_of_it(text, loaded):
    ids = loaded("gpt2").tokenizer(SENTENCE)["input_ids"]
    made = text(text=SENTENCE)
    assert made.token_ids == tuple(ids)
    assert made.target_ids == ()


def test_token_ids_are_taken_as_they_are(text):
    assert text(token_ids=(5, 5, 0)).token_ids == (5, 5, 0)


def test_a_chat_goes_through_the_template(text, loaded):
    made = text(model=loaded("gpt2", chat_template=CHAT_TEMPLATE), text="Hello", chat=True)
    decoded = loaded("gpt2", chat_template=CHAT_TEMPLATE).tokenizer.decode(made.token_ids)
    assert decoded == "<|user|>Hello<|end|>\n<|assistant|>"


def test_a_chat_with_a_model_that_has_no_template_is_what_a_generation_reads(text, loaded):
    decoded = loaded("gpt2").tokenizer.decode(text(text="Hello", chat=True).token_ids)
    assert decoded == "User: Hello\nAssistant:"


@pytest.mark.parametrize("options", [{}, {"add_special_tokens": False}, {"chat": True}])
def test_an_empty_text_is_refused(options, text):
    with pytest.raises(InvalidRequest, match="the text is empty: give it a word"):
        text(text="", **options)


def test_a_text_of_which_the_tokenizer_leaves_nothing_is_refused_by_its_name():
    """As some tokenizers do with control characters."""
    model = SimpleNamespace(tokenizer=lambda *_, **__: {"input_ids": []}, source=SimpleNamespace(name="tiny"))
    with pytest.raises(
        InvalidRequest, match="tiny has no token for anything in the clean text: give it a word"
    ) as raised:
        prompts.encode_text(model, "\x00", name="clean text", param="clean")
    assert raised.value.param == "clean"


@pytest.mark.parametrize(
    ("ids", "complaint"), [((), "token_ids is empty"), ((3, 999), "999 is no token id"), ((-1,), "-1 is no token id")]
)
def test_ids_that_the_model_does_not_have_are_refused(ids, complaint, text):
    with pytest.raises(InvalidRequest, match=complaint):
        text(token_ids=ids)


def test_a_text_may_fill_the_context_and_no_more(text):
    assert len(text(token_ids=(5,) * CONTEXT).token_ids) == CONTEXT
    with pytest.raises(ContextLengthExceeded, match=rf"the text has {CONTEXT + 1} tokens and .* at most {CONTEXT}"):
        text(token_ids=(5,) * (CONTEXT + 1))


def test_a_target_may_fill_the_context_and_no_more(text):
    assert len(text("bart", text="fox", target_token_ids=(5,) * CONTEXT).target_ids) == CONTEXT
    with pytest.raises(ContextLengthExceeded, match=rf"the target has {CONTEXT + 1} tokens and .* at most {CONTEXT}"):
        text("bart", text="fox", target_token_ids=(5,) * (CONTEXT + 1))


@pytest.mark.parametrize("target", [{"target": "fox"}, {"target": ""}, {"target_token_ids": (5,)}])
@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_only_encoder_decoders_have_a_target(family, target, text):
    with pytest.raises(InvalidRequest, match=r"a target is for encoder-decoders, and .* is none"):
        text(family, text="fox", **target)


def test_the_target_comes_after_the_start_token(text, loaded):
    model = loaded("bart", decoder_start_token_id=7)
    written = model.tokenizer(" ran", add_special_tokens=False)["input_ids"]
    assert text(model=model, text="fox", target=" ran").target_ids == (7, *written)
    assert text(model=model, text="fox").target_ids == (7,)


def test_target_ids_have_their_own_start_token(text, loaded):
    assert text("bart", text="fox", target_token_ids=(3, 4)).target_ids == (3, 4)
    with pytest.raises(InvalidRequest, match="999 is no token id"):
        text("bart", text="fox", target_token_ids=(3, 999))
