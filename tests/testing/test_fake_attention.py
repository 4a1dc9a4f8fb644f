from __future__ import annotations

import asyncio
import itertools
import math

import numpy as np
import pytest

from gpt_notebook.attention_protocol import (
    AblateRequest,
    AttentionRequest,
    DiffRequest,
    LensRequest,
    MapRequest,
    OverviewRequest,
    PatchRequest,
    ScoresRequest,
    TensorRequest,
)
from gpt_notebook.errors import (
    AttentionNotFound,
    ContextLengthExceeded,
    GptNotebookError,
    InvalidRequest,
    ModelChanged,
    ModelNotFound,
)
from gpt_notebook.protocol import GenerateRequest, SamplingOptions
from gpt_notebook.testing import FakeEngine

TEXT = "a b a b c"


@pytest.fixture
def engine():
    return FakeEngine("and so on", models=("storyteller", "other"))


def collected(generator):
    async def collect():
        return [item async for item in generator]

    return asyncio.run(collect())


def answer(engine, request):
    """The event before the stream's end."""
    return collected(engine.inspect(request))[-2]


def attention(engine, text=TEXT, **options):
    return answer(engine, AttentionRequest(text=text, **options)).attention


def array(engine, request):
    shape, *blocks = collected(engine.array(request))
    return np.frombuffer(b"".join(blocks), "<f4").reshape(shape)


def head_map(engine, layer, head, text=TEXT, **options):
    known = attention(engine, text).id
    return array(engine, MapRequest(attention=known, part="decoder", layer=layer, head=head, **options))


def tensor(engine, name, layer, head=None):
    known = attention(engine).id
    return array(engine, TensorRequest(attention=known, part="decoder", name=name, layer=layer, head=head))


def score(engine, kind, text=TEXT, **options):
    """One kind of score (layer, head)."""
    request = ScoresRequest(attention=attention(engine, text).id, part="decoder", kinds=(kind,), **options)
    return answer(engine, request).values[0]


# --- maps and tensors -----------------------------------------------------------------------------------------------


def test_the_first_layer_has_the_three_patterns(engine):
    first, previous, uniform = (head_map(engine, 0, head) for head in range(3))
    assert first[:, 0].tolist() == [1] * 5
    assert np.diagonal(previous, -1).tolist() == [1] * 4
    assert uniform[3].tolist() == [0.25] * 4 + [0]


def test_deeper_layers_mix_them(engine):
    np.testing.assert_allclose(head_map(engine, 1, 0), (head_map(engine, 0, 0) + head_map(engine, 0, 1)) / 2)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("head", [0, 1, 2])
def test_rows_add_up_to_1_and_are_the_softmax_of_the_raw_scores(engine, layer, head):
    weights, raw = head_map(engine, layer, head), head_map(engine, layer, head, values="raw_scores")
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.exp(raw), weights, rtol=1e-6)


def test_output_is_weights_times_value(engine):
    expected = head_map(engine, 1, 2) @ tensor(engine, "value", 1, 2)
    np.testing.assert_allclose(tensor(engine, "output", 1, 2), expected, rtol=1e-6)


def test_tensors_say_where_they_are_from(engine):
    assert tensor(engine, "query", 1, 2)[3].tolist() == pytest.approx([123, 123.1, 123.2, 123.3])
    assert tensor(engine, "key", 1, 2)[3, 0] == -123
    assert tensor(engine, "hidden", 2).shape == (5, 12)
    assert tensor(engine, "hidden", 2)[4, 0] == 204


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
@pytest.mark.parametrize("reduction", ["mean", "max"])
def test_an_overview_is_made_of_blocks(engine, size, reduction):
    known = attention(engine).id
    overview = array(engine, OverviewRequest(attention=known, part="decoder", size=size, reduction=reduction))
    m = min(size, 5)
    whole, edges = head_map(engine, 1, 2), [i * 5 // m for i in range(m + 1)]
    expected = [
        [getattr(whole[a:b, c:d], reduction)() for c, d in itertools.pairwise(edges)]
        for a, b in itertools.pairwise(edges)
    ]
    assert overview.shape == (2, 3, m, m)
    np.testing.assert_allclose(overview[1, 2], expected, rtol=1e-6)


def test_an_overview_can_be_of_some_heads_and_a_rectangle(engine):
    request = OverviewRequest(
        attention=attention(engine).id, part="decoder", layers=(1,), heads=(2, 0), queries=(1, 4), keys=(0, 5), size=2
    )
    whole = head_map(engine, 1, 2)[1:4]
    expected = [[whole[a:b, c:d].mean() for c, d in ((0, 2), (2, 5))] for a, b in ((0, 1), (1, 3))]
    np.testing.assert_allclose(array(engine, request)[0, 0], expected, rtol=1e-6)


def test_without_the_sink_rows_are_divided_by_what_is_left(engine):
    whole, hidden = head_map(engine, 1, 2), head_map(engine, 1, 2, hide_sink=True)
    assert (hidden[0] == 0).all()
    assert (hidden[:, 0] == 0).all()
    np.testing.assert_allclose(hidden[1:, 1:], whole[1:, 1:] / whole[1:, 1:].sum(1, keepdims=True), rtol=1e-6)


# --- scores ---------------------------------------------------------------------------------------------------------


def test_scores_find_what_each_head_does(engine):
    assert [round(value, 3) for value in score(engine, "sink")[0]] == [
        1,
        0.25,
        round((1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4, 3),
    ]
    assert score(engine, "previous-token")[0][1] == 1
    assert score(engine, "entropy")[0][:2] == (0, 0)
    assert score(engine, "entropy")[0][2] == pytest.approx(sum(map(math.log, range(1, 6))) / 5)
    assert score(engine, "distance")[0] == pytest.approx((2, 0.8, 1))


def test_induction_is_the_attention_on_what_followed_the_last_time(engine):
    # The second a looks for the first b, the second b for the first c, the second c for the second a.
    text = " a b c a b c"
    assert score(engine, "induction", text)[0] == pytest.approx((0, 0, (1 / 4 + 1 / 5 + 1 / 6) / 3))
    assert score(engine, "induction", " a b a b")[0][1] == 1
    assert score(engine, "induction", " a b c")[0] == (0, 0, 0)


def test_from_to_leaves_out_queries_that_come_before_every_key(engine):
    assert score(engine, "from-to", queries=(0, 2, 3), keys=(1, 2))[0] == pytest.approx((0, 1, (2 / 3 + 2 / 4) / 2))
    with pytest.raises(InvalidRequest, match="a query must be at 3 or after it, not 2"):
        score(engine, "from-to", queries=(0, 2), keys=(3,))


def test_of_one_token_some_scores_say_nothing(engine):
    assert score(engine, "sink", "a")[0] == score(engine, "previous-token", "a")[0] == (None,) * 3
    assert score(engine, "entropy", "a")[0] == (0, 0, 0)


def test_models_differ_and_texts_of_one_model_do_not(engine):
    one, same = attention(engine).id, attention(engine, "v w x y z").id
    other = attention(engine, model="other").id
    assert answer(engine, DiffRequest(attention=one, other=same, part="decoder")).values == (((0,) * 3,) * 2,)
    values = answer(engine, DiffRequest(attention=one, other=other, part="decoder")).values[0]
    # First token against previous token: the same for the first two queries, nothing in common for the other three.
    assert values[0][0] == pytest.approx(3 / 5 * math.log(2))


# --- next tokens ----------------------------------------------------------------------------------------------------


def test_the_lens_goes_from_the_token_to_the_one_after_it(engine):
    known = attention(engine, "one two three").id
    lens = answer(engine, LensRequest(attention=known, position=0, k=2))
    assert (lens.position, [layer[0].text for layer in lens.layers]) == (0, ["one", " two", " two"])
    assert {len(layer) for layer in lens.layers} == {2}
    last = answer(engine, LensRequest(attention=known))
    assert (last.position, [layer[0].text for layer in last.layers]) == (2, [" three", "and", "and"])


def test_an_ablation_changes_what_comes_next(engine):
    effect = answer(engine, AblateRequest(attention=attention(engine).id, heads=((0, 1), (1, 2)), k=3))
    assert effect.kl == pytest.approx(0.2)
    assert [token.text for token in effect.before] == ["and", " other1", " other2"]
    assert [token.text for token in effect.after] == [" other1", "and", " other2"]
    assert [token.logprob for token in effect.after] == [token.logprob for token in effect.before]


def test_patching_shares_the_answer_among_all_heads(engine):
    result = answer(engine, PatchRequest(clean="Pip ran", corrupt="Ann ran", wrong="Ann"))
    assert (result.answer.text, result.wrong.text) == ("and", "Ann")
    assert sum(result.layers) == pytest.approx(1)
    assert sum(result.heads[1]) == result.layers[1]


# --- what is known --------------------------------------------------------------------------------------------------


def test_an_attention_is_made_once_until_it_is_forgotten(engine):
    known = attention(engine).id
    assert attention(engine).id == known
    assert engine.attentions_made == {known: 1}
    assert engine.memory().captures > 0
    engine.forget_attentions()
    assert engine.memory().captures == 0
    with pytest.raises(AttentionNotFound, match=f"the attention {known} is not known any more"):
        answer(engine, LensRequest(attention=known))
    assert attention(engine).id == known
    assert engine.attentions_made == {known: 2}


def test_another_engine_gives_the_same_tokens_the_same_id(engine):
    assert attention(engine).id == attention(FakeEngine()).id
    assert attention(engine).id != attention(engine, model="other").id
    again = answer(engine, AttentionRequest(token_ids=tuple(t.id for t in attention(engine).tokens))).attention
    assert again == attention(engine)


def test_a_generation_with_attention_is_known_afterwards(engine):
    options = SamplingOptions(max_new_tokens=2)
    events = collected(engine.generate(GenerateRequest(prompt="a b", options=options, attention=True)))
    ids = (*events[0].prompt_token_ids, *(token.id for event in events[1:3] for token in event.tokens))
    captured, _ = collected(engine.inspect(AttentionRequest(token_ids=ids)))
    assert [token.text for token in captured.attention.tokens] == ["a", " b", "and", " so"]
    assert engine.attentions_made == {}


# --- what is refused ------------------------------------------------------------------------------------------------


def test_the_weights_must_be_those_that_were_asked_for(engine):
    assert attention(engine, fingerprint="fake-float32")
    with pytest.raises(ModelChanged, match="is fake-float32 now and not 123"):
        attention(engine, fingerprint="123")


@pytest.mark.parametrize(
    ("text", "options", "kind", "message"),
    [
        ("", {}, InvalidRequest, "at least one token"),
        ("word " * 1025, {}, ContextLengthExceeded, r"1,02\d tokens .* at most 1,024"),
        ("a", {"target": "b"}, InvalidRequest, "no encoder-decoder"),
        ("a", {"model": "unknown"}, ModelNotFound, "there is no model 'unknown'"),
    ],
)
def test_texts_that_have_no_attention(engine, text, options, kind, message):
    with pytest.raises(kind, match=message):
        attention(engine, text, **options)


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        (lambda a: MapRequest(attention=a, part="decoder", layer=2, head=0), "no layer 2: give one from 0 to 1"),
        (lambda a: MapRequest(attention=a, part="decoder", layer=0, head=-1), "no head -1: give one from 0 to 2"),
        (lambda a: MapRequest(attention=a, part="cross", layer=0, head=0), "no cross attention"),
        (lambda a: MapRequest(attention=a, part="decoder", layer=0, head=0, keys=(0, 6)), "end at 5 at most"),
        (lambda a: OverviewRequest(attention=a, part="decoder", layers=(0, 2)), "no layer 2"),
        (lambda a: TensorRequest(attention=a, part="decoder", name="hidden", layer=3), "no layer 3: .* 0 to 2"),
        (lambda a: LensRequest(attention=a, position=5), "no position 5: give one from 0 to 4, or -5 to -1"),
        (lambda a: AblateRequest(attention=a, heads=((0, 3),)), "no head 3"),
        (lambda a: PatchRequest(clean="a b", corrupt="a b c"), "the texts have 2 and 3 tokens"),
        (lambda a: PatchRequest(clean="a", corrupt="b", answer="two words"), "answer must be one token, not 2"),
    ],
)
def test_what_is_not_there_is_named(engine, request_of, message):
    request = request_of(attention(engine).id)
    with pytest.raises(GptNotebookError, match=message) as raised:
        array(engine, request) if isinstance(request, MapRequest | OverviewRequest | TensorRequest) else answer(
            engine, request
        )
    assert isinstance(raised.value, InvalidRequest)


def test_texts_of_different_lengths_are_not_compared(engine):
    one, other = attention(engine).id, attention(engine, "a b").id
    with pytest.raises(InvalidRequest, match="the texts have 5 and 2 tokens"):
        answer(engine, DiffRequest(attention=one, other=other, part="decoder"))
