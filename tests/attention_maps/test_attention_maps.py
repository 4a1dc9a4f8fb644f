"""Attention: what is asked for is what comes, checked before it is asked, and made again where it was forgotten."""

from __future__ import annotations

import numpy as np
import pytest
from attention_stubs import TEXT, part_of, stub, tokens_of

import gpt_notebook as gpt
from gpt_notebook import array_body
from gpt_notebook.attention_protocol import AttentionRequest, MapRequest
from gpt_notebook.errors import Interrupted, InvalidRequest, ModelChanged
from gpt_notebook.protocol import GenerateRequest, Progress, Token
from gpt_notebook.testing import FakeEngine, Gate, serving

LENGTH = 7
PREVIOUS = np.eye(LENGTH, k=-1) + np.eye(LENGTH)[:1].T @ np.eye(LENGTH)[:1]
FIRST = np.repeat(np.eye(LENGTH)[:1], LENGTH, axis=0)


# --- making one -----------------------------------------------------------------------------------------------------


def test_an_attention_says_what_it_is_of(attention):
    assert "".join(token.text for token in attention.tokens) == TEXT
    assert (attention.n_layers, attention.n_heads, attention.model) == (2, 3, "storyteller")
    assert attention.fingerprint == "fake-float32"
    assert [part.name for part in attention.parts] == ["decoder"]
    assert attention.target_tokens == ()
    assert repr(attention) == "<Attention 7 tokens, 2 layers, 3 heads, storyteller>"


def test_a_notebook_shows_the_tokens_and_what_to_ask_next():
    pieces = (Token(id=7, text="\ufffd", bytes=(0xF0, 0x9F)), *tokens_of("<b>", " fox"))
    html = stub(pieces)._repr_html_()
    assert "<b>F0</b><b>9F</b>" in html
    assert "&lt;b&gt;" in html
    assert "attention of 3 tokens, 2 layers, 3 heads, a-model" in html
    assert "a.plot(layer, head)" in html


def test_a_long_text_is_not_shown_to_its_end():
    assert "and 100 tokens more" in stub(tokens_of(*["a"] * 300))._repr_html_()


def test_the_attention_of_the_same_tokens_and_weights_is_the_same(attention, engine):
    assert attention == gpt.attention(TEXT)
    assert len({attention, gpt.attention(TEXT), gpt.attention("Pip slept")}) == 2
    assert attention != attention.id


def test_a_completion_is_taken_with_its_prompt_as_the_tokens_that_it_consists_of(engine):
    completion = gpt.generate("Pip slept", model="other")
    attention = gpt.attention(completion)
    assert "".join(token.text for token in attention.tokens) == "Pip sleptand that was that."
    assert (engine.asked[-1].model, engine.asked[-1].fingerprint) == ("other", completion.fingerprint)


def test_another_model_may_look_at_the_tokens_of_a_completion(engine):
    completion = gpt.generate("Pip slept", model="other")
    assert gpt.attention(completion, model="storyteller").model == "storyteller"
    assert engine.asked[-1].fingerprint == ""


def test_a_generation_may_record_its_attention(engine):
    completion = gpt.generate("Pip slept", attention=True)
    assert isinstance(engine.asked[-1], GenerateRequest)
    assert engine.asked[-1].attention
    assert gpt.attention(completion).id not in engine.attentions_made


@pytest.mark.parametrize(
    "ask",
    [
        lambda: gpt.chat("Hi", attention=True),
        lambda: list(gpt.stream("Hi", attention=True)),
        lambda: list(gpt.events("Hi", attention=True)),
    ],
)
def test_every_way_of_generating_can_record(engine, ask):
    ask()
    assert engine.asked[-1].attention


def test_progress_is_told(engine):
    told = []
    gpt.attention(TEXT, on_progress=told.append)
    assert Progress(stage="recording", model="storyteller", total=LENGTH) in told


def test_how_the_text_is_read_is_sent(engine):
    gpt.attention("Hi", chat=True, add_special_tokens=False)
    assert engine.asked[-1] == AttentionRequest(text="Hi", chat=True, add_special_tokens=False)


def test_a_target_is_sent(engine):
    with pytest.raises(InvalidRequest, match="no encoder-decoder"):
        gpt.attention("Hi", target="Salut")
    assert engine.asked[-1] == AttentionRequest(text="Hi", target="Salut")


@pytest.mark.parametrize(
    "model", ["openai:gpt-4o", "ollama:llama3.2:1b", "https://gpu-machine/v1", "openai:org/model+adapter:3"]
)
@pytest.mark.parametrize("ask", [gpt.attention, lambda text, **o: gpt.patch(text, text, **o)])
def test_a_model_behind_an_endpoint_has_no_attention_to_show(settings, model, ask):
    with pytest.raises(InvalidRequest, match=r"attention needs a model kernel with the weights, so choose") as refusal:
        ask("Hi", model=model)
    assert refusal.value.param == "model"


@pytest.mark.parametrize("model", ["storyteller+mine:300", "org/model@main", "org/model+mine:best"])
def test_an_adapters_step_is_no_endpoint(engine, model):
    with pytest.raises(gpt.GptNotebookError, match="there is no model"):
        gpt.attention("Hi", model=model)


def test_a_path_with_a_colon_is_no_endpoint(engine, tmp_path):
    path = tmp_path / "a:b"
    path.mkdir()
    with pytest.raises(gpt.GptNotebookError, match="there is no model"):
        gpt.attention("Hi", model=path)


def test_the_model_kernel_decides_what_an_empty_text_is(engine):
    with pytest.raises(InvalidRequest, match="text is empty"):
        gpt.attention("")
    assert engine.asked[-1] == AttentionRequest(text="")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: gpt.attention(5), "text must be a string or a Completion, not int"),
        (lambda c: gpt.attention([c, c]), "text must be a string or a Completion, not list"),
        (
            lambda _: gpt.attention(gpt.stream("Hi")),
            "text must be a string or a Completion, not TokenStream: take its completion",
        ),
        (lambda _: gpt.attention("Hi", chat="yes"), "chat is True or False, not 'yes'"),
        (lambda _: gpt.attention("Hi", target=3), "target must be a string, not int"),
        (lambda c: gpt.attention(c, chat=True), "a completion has its chat template already: leave out chat=True"),
        (lambda _: gpt.generate("Hi", attention=1), "attention is True or False, not 1"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_asked(engine, make, message):
    completion = gpt.generate("Hi")
    count = len(engine.asked)
    with pytest.raises(InvalidRequest) as refusal:
        make(completion)
    assert (refusal.value.message, len(engine.asked)) == (message, count)


# --- maps and tensors -----------------------------------------------------------------------------------------------


def test_a_map_is_float32_and_the_callers_own(attention):
    found = attention.map(0, 1)
    np.testing.assert_array_equal(found, PREVIOUS)
    assert found.dtype == np.float32
    found[0, 0] = 5  # it may be written to
    assert attention.map(0, 1)[0, 0] == 1


@pytest.mark.parametrize(
    ("queries", "keys"),
    [
        (slice(2, 5), slice(None, 3)),
        ((2, 5), (0, 3)),
        (range(2, 5), (None, 3)),
        (slice(-5, -2), slice(None, -4)),
        ((np.int64(2), np.int64(5)), slice(None, 3)),
        ((-5, -2), (0, -4)),
    ],
)
def test_a_rectangle_of_a_map(attention, queries, keys):
    np.testing.assert_array_equal(attention.map(0, 1, queries=queries, keys=keys), PREVIOUS[2:5, :3])


def test_one_position_is_a_rectangle_of_one_row(attention):
    np.testing.assert_array_equal(attention.map(0, 1, queries=-1), PREVIOUS[-1:])
    np.testing.assert_array_equal(attention.map(0, 1, keys=2), PREVIOUS[:, 2:3])


def test_a_slice_ends_where_the_text_does(attention):
    np.testing.assert_array_equal(attention.map(0, 1, queries=slice(5, 100)), PREVIOUS[5:])


def test_raw_scores_are_what_goes_into_the_softmax(attention):
    scores = attention.raw_scores(1, 0)
    assert np.isneginf(scores[0, 1])
    np.testing.assert_allclose(np.exp(scores), attention.map(1, 0), atol=1e-6)


def test_the_tensors_that_a_head_is_made_of(attention):
    assert attention.query(1, 2)[3, 1] == np.float32(123.1)
    np.testing.assert_array_equal(attention.key(1, 2), -attention.query(1, 2))
    np.testing.assert_allclose(attention.output(1, 2), attention.map(1, 2) @ attention.value(1, 2), rtol=1e-6)
    assert attention.scaling(0) == 0.5


def test_there_is_one_more_of_the_hidden_states_than_layers(attention):
    assert attention.hidden(2).shape == (LENGTH, 12)
    with pytest.raises(InvalidRequest, match="layer 3 is not there: there are layers 0 to 2 of hidden states"):
        attention.hidden(3)


def test_without_the_sink_the_rest_of_a_row_is_divided_by_what_is_left(attention):
    whole, hidden = attention.map(1, 2), attention.map(1, 2, hide_sink=True)
    assert (hidden[:, 0] == 0).all()
    assert (hidden[0] == 0).all()
    np.testing.assert_allclose(hidden[1:, 1:], whole[1:, 1:] / whole[1:, 1:].sum(1, keepdims=True), rtol=1e-6)
    np.testing.assert_array_equal(attention.map(1, 2, hide_sink=True, queries=3, keys=(1, 4)), hidden[3:4, 1:4])


def test_an_overview_of_some_heads_and_a_rectangle(attention):
    found = attention.overview(64, layers=[1], heads=[2, 0], queries=(2, 6), keys=slice(1, 4), hide_sink=True)
    expected = [attention.map(1, head, hide_sink=True)[2:6, 1:4] for head in (2, 0)]
    np.testing.assert_array_equal(found[0], expected)


def test_an_overview_of_some_layers(attention):
    assert attention.overview(4).shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(attention.overview(64, layers=[0])[0, 1], PREVIOUS)
    assert attention.overview(1, reduction="max")[0, 1] == 1


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda a: a.map(2, 0), "layer 2 is not there: there are layers 0 to 1"),
        (lambda a: a.map(-1, 0), "layer -1 is not there: there are layers 0 to 1"),
        (lambda a: a.query(0, 3), "head 3 is not there: there are heads 0 to 2 in layer 0"),
        (lambda a: a.map(0.5, 0), "layer must be a whole number, not 0.5"),
        (lambda a: a.map(0, 0, queries=7), "queries 7 is not there: the text has positions 0 to 6, or -7 to -1 from its end"),
        (lambda a: a.map(0, 0, keys=(5, 5)), "keys 5:5 has no position: there are 0 to 6"),
        (lambda a: a.map(0, 0, keys=slice(0, 6, 2)), "keys must be neighbours: a step of 2 leaves some out"),
        (lambda a: a.map(0, 0, keys=(1, 2, 3)), "keys is a slice or a pair (first, one after the last), not (1, 2, 3)"),
        (lambda a: a.map(0, 0, queries=[2, 5]), "queries is a slice or a pair (first, one after the last), not [2, 5]"),
        (lambda a: a.map(0, 0, queries=np.array([3, 4])), "queries is a slice or a pair (first, one after the last), not array([3, 4])"),
        (lambda a: a.map(0, 0, queries=(2, 8)), "queries 2:8 reaches beyond the text, which has positions 0 to 6: a slice stops at its end"),
        (lambda a: a.map(0, 0, keys=(7, None)), "keys 7:None reaches beyond the text"),
        (lambda a: a.map(0, 0, keys=range(-8, -1)), "keys -8:-1 reaches beyond the text"),
        (lambda a: a.map(0, 0, part="cross"), "storyteller has no 'cross' attention here: part is one of decoder"),
        (lambda a: a.overview(layers=[]), "layers is empty"),
        (lambda a: a.overview(heads=[]), "heads is empty"),
        (lambda a: a.overview(heads=[3]), "head 3 is not there: there are heads 0 to 2 in layer 0"),
        (lambda a: a.overview(queries=(3, 3)), "queries 3:3 has no position"),
        (lambda a: a.overview(hide_sink=1), "hide_sink is True or False, not 1"),
        (lambda a: a.overview(layers=0), "layers must be a list, not 0"),
        (lambda a: a.overview(0), "size must be at least 1 and at most 1024, not 0"),
        (lambda a: a.overview(reduction="sum"), "reduction is one of mean, max, not 'sum'"),
    ],
)  # fmt: skip
def test_a_place_that_is_not_there_is_refused_before_it_is_asked(attention, engine, ask, message):
    count = len(engine.asked)
    with pytest.raises(InvalidRequest) as refusal:
        ask(attention)
    assert message in refusal.value.message
    assert len(engine.asked) == count


def test_a_layer_without_attention_is_named():
    attention = stub(tokens_of("a", "b"), (part_of(2, heads=(0, 3, 0, 3)),))
    with pytest.raises(InvalidRequest, match="layer 2 has no attention: those that do are 1, 3"):
        attention.map(2, 0)


def test_each_part_of_an_encoder_decoder_has_its_own_tokens():
    parts = (part_of(3, name="encoder"), part_of(2, name="decoder"), part_of(2, 3, name="cross"))
    text, target = tokens_of("a", "b", "c"), tokens_of("<s>", "x")
    attention = stub(text, parts, targets=target, arrays=lambda _: np.zeros((2, 3), np.float32))
    attention.map(0, 0, part="cross", queries=-1, keys=-1)
    (asked,) = attention._kept.asked
    assert asked == MapRequest(attention="an-id", part="cross", layer=0, head=0, queries=(1, 2), keys=(2, 3))
    with pytest.raises(InvalidRequest, match="positions 0 to 1"):
        attention.map(0, 0, part="decoder", keys=2)


# --- forgotten ------------------------------------------------------------------------------------------------------


def test_a_forgotten_attention_is_made_again_silently(attention, engine):
    engine.forget_attentions()
    np.testing.assert_array_equal(attention.map(0, 0), FIRST)
    engine.forget_attentions()
    assert attention.scores("sink").shape == (2, 3)
    assert engine.attentions_made[attention.id] == 3
    remade = [each for each in engine.asked if isinstance(each, AttentionRequest)][-1]
    assert (remade.text, len(remade.token_ids), remade.fingerprint) == (None, LENGTH, attention.fingerprint)


def test_both_of_a_diff_are_made_again(attention, engine):
    other = gpt.attention(TEXT, model="other")
    engine.forget_attentions()
    assert attention.diff(other).shape == (2, 3)
    assert (engine.attentions_made[attention.id], engine.attentions_made[other.id]) == (2, 2)


def test_an_attention_of_weights_that_have_changed_says_so(attention, engine, monkeypatch):
    engine.forget_attentions()
    monkeypatch.setattr("gpt_notebook.testing.fake_inspection.FINGERPRINT", "another")
    with pytest.raises(ModelChanged, match="ask for its attention anew"):
        attention.map(0, 0)


# --- interrupted ----------------------------------------------------------------------------------------------------


@pytest.fixture
def held(settings, monkeypatch):
    """An engine that lets nothing pass by itself, and its client's address in the environment."""
    engine = FakeEngine(gate=Gate())
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        yield engine


def test_an_interrupt_ends_a_question(held):
    def interrupt(_progress):
        raise KeyboardInterrupt

    held.gate.let(1)
    with pytest.raises(Interrupted) as interruption:
        gpt.attention(TEXT, on_progress=interrupt)
    assert interruption.value._render_traceback_() == ["Interrupted."]
    held.wait_until(lambda: not held.requests())


def test_an_interrupt_ends_an_array(held, monkeypatch):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    held.gate.let(3)
    attention = gpt.attention(TEXT)
    monkeypatch.setattr(array_body, "_fill", interrupt)
    with pytest.raises(Interrupted):
        attention.map(0, 0)
    held.wait_until(lambda: not held.requests())
