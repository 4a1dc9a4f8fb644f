"""Scores, differences and interventions: numbers for heads, and what the model would say without them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from attention_stubs import TEXT, part_of, stub, tokens_of

import gpt_notebook as gpt
from gpt_notebook.attention_maps.results import HeadScore, Lens
from gpt_notebook.attention_protocol import PatchRequest, ScoresRequest
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.protocol import Progress, Token

# --- scores ---------------------------------------------------------------------------------------------------------


def test_scores_are_one_number_for_each_head(attention):
    scores = attention.scores("previous-token")
    assert (scores.shape, scores.dtype) == ((2, 3), np.float64)
    assert scores[0, 1] == 1


def test_a_head_that_is_not_there_has_no_score(engine):
    assert np.isnan(gpt.attention("one").scores("previous-token")).all()


def test_from_to_takes_words_or_positions(attention, engine):
    by_words = attention.scores("from-to", query="He", key="Pip")
    assert (engine.asked[-1].queries, engine.asked[-1].keys) == ((5,), (0,))
    by_positions = attention.scores("from-to", query=[np.int64(-2)], key=0)
    assert engine.asked[-1] == ScoresRequest(
        attention=attention.id, part="decoder", kinds=("from-to",), queries=(5,), keys=(0,)
    )
    np.testing.assert_array_equal(by_words, by_positions)
    assert by_words[0, 0] == 1


def test_progress_of_scores_is_told(attention):
    told = []
    attention.scores("sink", on_progress=told.append)
    assert told[0] == Progress(stage="computing", model="storyteller", total=6)


def test_top_is_highest_first_and_leaves_out_what_is_not_there(attention):
    top = attention.top("sink", 2)
    assert top[0] == HeadScore(layer=0, head=0, score=1.0)
    assert [each.score for each in top] == sorted((each.score for each in attention.top("sink")), reverse=True)[:2]
    assert HeadScore.highest(np.array([[np.nan, 0.5]]), 5) == [(0, 1, 0.5)]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda a: a.scores("sinks"), "did you mean sink?"),
        (lambda a: a.scores("from-to", query="He"), 'from-to needs query= and key=, such as query="He", key="Pip"'),
        (lambda a: a.scores("sink", key="Pip"), "query= and key= belong to from-to, not to sink"),
        (lambda a: a.scores("from-to", query="Pop", key=0), "no token here spells 'Pop': near are 'Pip'"),
        (lambda a: a.scores("from-to", query="zzzzzz", key=0), "no token here spells 'zzzzzz': the text begins 'Pip', 'saw', 'a'"),
        (lambda a: a.scores("from-to", query=7, key=0), "query 7 is not there: the text has positions 0 to 6"),
        (lambda a: a.scores("from-to", query=[], key=0), "query is empty"),
        (lambda a: a.top("sink", 0), "k must be at least 1, not 0"),
    ],
)  # fmt: skip
def test_scores_that_make_no_sense_are_refused_before_they_are_asked(attention, engine, ask, message):
    count = len(engine.asked)
    with pytest.raises(InvalidRequest) as refusal:
        ask(attention)
    assert message in refusal.value.message
    assert len(engine.asked) == count


# --- diff -----------------------------------------------------------------------------------------------------------


def test_a_diff_is_a_divergence_for_each_head(attention):
    np.testing.assert_array_equal(attention.diff(attention), np.zeros((2, 3)))
    assert 0 < attention.diff(gpt.attention(TEXT, model="other")).max() <= math.log(2)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((part_of(2),), "these attentions have 3 tokens and 2 tokens: diff compares texts of equally many tokens"),
        ((part_of(1),), "these attentions have 3 tokens and 1 token: diff compares texts of equally many tokens"),
        ((part_of(3, heads=(3,)),), "these models have 2 and 1 layers: diff compares models of one shape"),
        ((part_of(3, heads=(3, 4)),), "these models have 3 and 4 heads in layer 1: diff compares models of one shape"),
        ((part_of(3, name="encoder"),), "a-model has no 'decoder' attention here: part is one of encoder"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_it_is_asked(settings, parts, message):
    one, other = stub(tokens_of("a", "b", "c")), stub(tokens_of("a", "b", "c"), parts)
    with pytest.raises(InvalidRequest) as refusal:
        one.diff(other, part="decoder")
    assert refusal.value.message == message


def test_a_diff_is_with_another_attention(settings):
    with pytest.raises(InvalidRequest, match="diff compares with another Attention, not with str"):
        stub(tokens_of("a")).diff("b")


# --- lens and ablation ----------------------------------------------------------------------------------------------


def test_the_lens_has_the_embeddings_and_each_layer(attention):
    lens = attention.lens(position=1, k=3)
    assert [tokens[0].text for tokens in lens.layers] == [" saw", " a", " a"]
    assert (lens.position, lens.token.text, len(lens.layers[0])) == (1, " saw", 3)
    assert "'·saw'" in repr(lens)


def test_the_lens_is_a_table_in_a_notebook(attention):
    bundle = attention.lens()._repr_mimebundle_()
    assert "embeddings  ·ran 61 %" in bundle["text/plain"]
    assert "<table" in bundle["text/html"]


def test_an_ablation_says_what_it_changes(attention, engine):
    ablation = attention.ablate(attention.top("sink", 2), position=-2, k=4)
    assert engine.asked[-1].position == 5
    assert ablation.heads == engine.asked[-1].heads == tuple((e.layer, e.head) for e in attention.top("sink", 2))
    assert ablation.kl == pytest.approx(0.2)
    assert (ablation.before[0].text, ablation.after[1].text) == (" ran", " ran")
    assert repr(ablation).startswith("<Ablation of heads (0, 0), ")
    assert "KL divergence 0.2 nats" in ablation._repr_mimebundle_()["text/plain"]


def test_one_head_may_be_named_alone(attention):
    assert attention.ablate((1, 2)).heads == ((1, 2),)
    (best,) = attention.top("sink", 1)
    assert attention.ablate(best).heads == ((best.layer, best.head),)


def test_pieces_of_characters_are_bytes_in_a_table():
    piece = Token(id=0, text="\ufffd", bytes=(0xF0, 0x9F), logprob=-1.0)
    lens = Lens(position=0, token=piece, layers=((piece,), (piece,)))
    assert "\ufffd" not in lens._report().text() + repr(lens)
    assert "layer 0     F0 9F 37 %" in lens._report().text()


def test_many_heads_are_not_all_named_in_one_line(attention):
    every = [(layer, head) for layer in range(2) for head in range(3)]
    assert "heads (0, 0), (0, 1), (0, 2), (1, 0), (1, 1) and 1 more: KL" in repr(attention.ablate(every))


def test_a_table_shows_markup_of_a_model_as_text(engine):
    html = gpt.attention("<script>").lens()._repr_mimebundle_()["text/html"]
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda a: a.lens(7), "position 7 is not there: the text has positions 0 to 6, or -7 to -1 from its end"),
        (lambda a: a.lens(k=1001), "k must be at least 1 and at most 1000, not 1001"),
        (lambda a: a.ablate([]), "heads is empty: name at least one as (layer, head)"),
        (lambda a: a.ablate([(0, 3)]), "head 3 is not there: there are heads 0 to 2 in layer 0"),
        (lambda a: a.ablate([5]), "a head is a pair (layer, head), not 5"),
        (lambda a: a.ablate("5.3"), "heads must be a list, not '5.3'"),
    ],
)
def test_interventions_that_make_no_sense_are_refused_before_they_are_asked(attention, engine, ask, message):
    count = len(engine.asked)
    with pytest.raises(InvalidRequest) as refusal:
        ask(attention)
    assert refusal.value.message == message
    assert len(engine.asked) == count


@pytest.mark.parametrize("ask", [lambda a: a.lens(), lambda a: a.ablate([(0, 0)])])
def test_a_model_that_predicts_nothing_has_neither(settings, ask):
    with pytest.raises(InvalidRequest, match="asks for the next token, and a-model predicts none"):
        ask(stub(tokens_of("a"), (part_of(1, name="encoder"),), causal=False))


# --- many texts, two texts ------------------------------------------------------------------------------------------


def test_head_scores_are_the_mean_over_texts(engine):
    texts = ["one two three", "four five six seven"]
    told = []
    mean = gpt.head_scores(texts, "sink", on_progress=lambda *counts: told.append(counts))
    np.testing.assert_allclose(mean, sum(gpt.attention(text).scores("sink") for text in texts) / 2)
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_a_text_that_fails_is_named(engine):
    with pytest.raises(InvalidRequest, match=r"text 1 \('four five'\): query 2 is not there"):
        gpt.head_scores(["one two three", "four five"], "from-to", query=2, key=0)


def test_a_text_without_the_words_or_with_them_the_wrong_way_round_does_not_count(engine):
    texts = ["Pip is he", "nobody here", "he is Pip"]
    mean = gpt.head_scores(texts, "from-to", query="he", key="Pip")
    np.testing.assert_array_equal(mean, gpt.attention(texts[0]).scores("from-to", query="he", key="Pip"))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["four five"], "text 0 ('four five'): no token here spells 'two': the text begins 'four', 'five'"),
        (["two one", "one six"], "none of the 2 texts has both: text 0 ('two one'): 'two' comes before 'one' and cannot see it"),
    ],
)  # fmt: skip
def test_words_that_no_text_has_are_named(engine, texts, message):
    with pytest.raises(InvalidRequest) as refusal:
        gpt.head_scores(texts, "from-to", query="two", key="one")
    assert refusal.value.message == message


def test_texts_that_make_no_sense_are_refused_at_once(engine):
    with pytest.raises(InvalidRequest, match="texts is empty"):
        gpt.head_scores([], "sink")
    with pytest.raises(InvalidRequest, match="did you mean sink"):
        gpt.head_scores(["Hi"], "sinks")
    assert engine.asked == []


def test_patching_says_which_head_carries_the_answer(engine):
    patching = gpt.patch("Pip has a red ball", "Mia has a red ball", answer=" Pip", wrong=" Mia")
    assert engine.asked[-1] == PatchRequest(
        clean="Pip has a red ball", corrupt="Mia has a red ball", answer=" Pip", wrong=" Mia"
    )
    assert patching.matrix.shape == (2, 3)
    assert patching.top(1) == [(1, 2, pytest.approx(6 / 21))]
    np.testing.assert_allclose(patching.layers, patching.matrix.sum(axis=1))
    assert (patching.answer.text, patching.clean, patching.corrupt) == (" Pip", 2.0, -2.0)
    assert len(patching.clean_tokens) == len(patching.corrupt_tokens) == 5
    assert repr(patching) == "<Patching 2 layers, 3 heads: '·Pip' over '·Mia', -2.00 to 2.00, storyteller>"
    assert "logit difference: clean 2.00" in patching._repr_mimebundle_()["text/plain"]


def test_patching_says_when_the_corrupt_text_has_more_of_the_answer(engine):
    patching = gpt.patch("Pip has a red ball", "Mia has a red ball", answer=" Pip", wrong=" Mia")
    assert "swap" not in patching._repr_mimebundle_()["text/plain"]
    turned = replace(patching, clean=patching.corrupt, corrupt=patching.clean)
    assert "swap the texts, or answer and wrong" in turned._repr_mimebundle_()["text/plain"]


def test_what_patching_refuses(engine):
    with pytest.raises(InvalidRequest, match="answer must be a string, not int"):
        gpt.patch("a", "b", answer=3)
    with pytest.raises(InvalidRequest, match="clean must be a string"):
        gpt.patch(["a"], "b")
    assert engine.asked == []
