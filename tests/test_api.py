"""The Python functions: what they ask, what they give, and what they leave behind when something ends early."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest
from fake_model_kernel import FakeModelKernel, Stream, story

import gpt_notebook as gpt
from gpt_notebook.errors import (
    ConnectionLost,
    GenerationInterrupted,
    InvalidRequest,
)
from gpt_notebook.protocol import ChatMessage, Failed

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")


def asked(model_kernel: FakeModelKernel) -> dict:
    return model_kernel.requests("/v1/generate")[-1]


# --- generate -------------------------------------------------------------------------------------------------------


def test_generate_gives_a_completion(model_kernel):
    completion = gpt.generate("Once", max_new_tokens=3, seed=7)
    assert completion.text == " upon a time"
    assert asked(model_kernel)["prompt"] == "Once"
    assert asked(model_kernel)["model"] == "storyteller"


def test_every_option_is_sent_explicitly(model_kernel):
    gpt.generate("Once")
    assert asked(model_kernel)["options"] == {
        "max_new_tokens": 120,
        "temperature": 0.8,
        "top_p": 0.95,
        "top_k": 0,
        "stop": [],
        "seed": None,
        "n": 1,
        "logprobs": 0,
    }


def test_attention_is_recorded_only_where_it_is_asked_for(model_kernel):
    gpt.generate("Once")
    assert asked(model_kernel)["attention"] is False
    gpt.generate("Once", attention=True)
    assert asked(model_kernel)["attention"] is True


def test_numbers_may_come_from_numpy_and_stop_may_be_one_string(model_kernel):
    gpt.generate("Once", max_new_tokens=np.int64(5), temperature=np.float32(0.5), top_p=1, stop="\n")
    options = asked(model_kernel)["options"]
    assert (options["max_new_tokens"], options["temperature"], options["top_p"]) == (5, 0.5, 1.0)
    assert options["stop"] == ["\n"]


def test_several_samples_are_a_list(model_kernel):
    model_kernel.scripts["/v1/generate"] = story(" a", n=2)
    assert [each.text for each in gpt.generate("Once", n=2)] == [" a", " a"]


def test_several_prompts_are_a_list_and_one_request(model_kernel):
    completions = gpt.generate(["Once", "Twice"], max_new_tokens=3)
    assert [(each.prompt, each.text) for each in completions] == [("Once", " upon a time"), ("Twice", " upon a time")]
    (body,) = model_kernel.requests("/v1/batch")
    assert (body["prompts"], body["options"]["max_new_tokens"]) == (["Once", "Twice"], 3)


def test_of_no_prompts_come_no_completions_and_nobody_is_asked(model_kernel):
    assert gpt.generate([]) == gpt.generate([], n=2, attention=True) == []
    assert model_kernel.requests("/v1/batch") == []


def test_a_list_with_attention_is_worked_through_one_by_one(model_kernel):
    assert [each.text for each in gpt.generate(["Once", "Twice"], attention=True)] == [" upon a time"] * 2
    assert [body["prompt"] for body in model_kernel.requests("/v1/generate")] == ["Once", "Twice"]


def test_chat_takes_turns_in_any_form(model_kernel):
    turns = [{"role": "user", "content": "Hi"}, ("assistant", "Hello"), ChatMessage(role="user", content="Bye")]
    assert gpt.chat(turns, system="Be brief").text == " upon a time"
    assert [(each["role"], each["content"]) for each in asked(model_kernel)["messages"]] == [
        ("system", "Be brief"),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Bye"),
    ]


def test_a_system_text_makes_a_chat_of_a_prompt(model_kernel):
    gpt.generate("Hi", system="Be brief")
    assert asked(model_kernel)["prompt"] is None
    assert [each["role"] for each in asked(model_kernel)["messages"]] == ["system", "user"]


def test_a_chat_may_be_one_string(model_kernel):
    gpt.chat("Tell a story")
    assert asked(model_kernel)["messages"] == [{"role": "user", "content": "Tell a story"}]


def test_stream_gives_tokens(model_kernel):
    assert [token.text for token in gpt.stream("Once")] == [" upon", " a", " time"]


def test_a_stream_has_its_completion_at_the_end(model_kernel):
    tokens = gpt.stream("Once")
    assert tokens.completion is None
    list(tokens)
    assert (tokens.completion.text, tokens.completion.finish_reason) == (" upon a time", "length")


def test_a_stream_that_was_closed_has_what_had_come(model_kernel):
    tokens = gpt.stream("Once")
    next(tokens)
    tokens.close()
    assert list(tokens) == []
    assert (tokens.completion.text, tokens.completion.complete) == (" upon", False)


def test_leaving_the_with_block_of_a_stream_stops_the_generation(model_kernel):
    closed = threading.Event()

    def script(stream: Stream, _body: dict) -> None:
        stream.send(*story(" upon")[:2])
        stream.wait_until_closed()
        closed.set()

    model_kernel.scripts["/v1/generate"] = script
    with gpt.stream("Once") as tokens:
        assert next(tokens).text == " upon"
    assert closed.wait(10)
    assert tokens.completion.text == " upon"


def test_leaving_a_stream_early_stops_the_generation(model_kernel):
    gone = threading.Event()

    def script(stream: Stream, _body: dict) -> None:
        stream.send(*story(" upon")[:2])
        stream.wait_until_closed()
        gone.set()

    model_kernel.scripts["/v1/generate"] = script
    tokens = gpt.stream("Once")
    assert next(tokens).text == " upon"
    tokens.close()
    assert gone.wait(5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gpt.generate("x", temprature=1), "unknown option temprature: did you mean temperature"),
        (lambda: gpt.generate("x", max_tokens=1), "did you mean max_new_tokens"),
        (lambda: gpt.generate("x", temperature="hot"), "temperature must be a number, not 'hot'"),
        (lambda: gpt.generate("x", max_new_tokens=1.5), "max_new_tokens must be a whole number, not 1.5"),
        (lambda: gpt.generate("x", n=True), "n must be a whole number"),
        (lambda: gpt.generate("x", top_p=2), "top_p"),
        (lambda: gpt.generate("x", stop=[1]), "stop must be"),
        (lambda: gpt.generate("x", system="s", chat=False), "a system text needs a chat"),
        (lambda: gpt.generate(3), "prompt must be a string or a list of strings"),
        (lambda: gpt.generate([], temprature=1), "did you mean temperature"),
        (lambda: gpt.generate("x", model=" "), "a model needs a name"),
        (lambda: gpt.stream("x", n=2), "one sample"),
        (lambda: gpt.chat([]), "at least one message"),
        (lambda: gpt.chat(["hello"]), "'hello' is no message"),
        (lambda: gpt.chat([("usr", "hello")]), "did you mean user"),
        (lambda: gpt.events("x", messages=[("user", "y")]), "exactly one"),
        (lambda: gpt.score("x", ["a"], normalize="max"), "normalize"),
        (lambda: gpt.score("x", ["a", ""]), "empty choice"),
        (lambda: gpt.score("x", "a", model=5), "a model is a name or a path, not int"),
        (lambda: gpt.perplexity([]), "texts is empty"),
        (lambda: gpt.stream(["a", "b"]), "one prompt, a string, not list; generate takes a list"),
        (lambda: gpt.generate("x", system=3), "system must be a string, not int"),
        (lambda: gpt.generate("x", chat="yes"), "chat is True, False or None, not 'yes'"),
        (lambda: gpt.chat(5), "messages must be a string or a list of messages, not int"),
        (lambda: gpt.tokenize(["a"]), "text must be a string, not list"),
        (lambda: gpt.next(["a"]), "prompt must be a string, not list"),
        (lambda: gpt.next("a", k="many"), "k must be a whole number, not 'many'"),
        (lambda: gpt.load("gpt2", dtype="float3"), "not 'float3'; did you mean float32?"),
        (lambda: gpt.load(5), "not int"),
        (lambda: gpt.unload(5), "a model is a name or a path, not int"),
        (lambda: gpt.use(5), "a model is a name or a path, not int"),
        (lambda: gpt.cancel([1]), "ids must be a string or a list of strings, not 1"),
        (lambda: gpt.connect(5), "url must be a string, not int"),
    ],
)
def test_nonsense_is_refused_in_one_line_before_anything_is_started(settings, call, words):
    with pytest.raises(InvalidRequest) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# --- early ends -----------------------------------------------------------------------------------------------------


def test_an_error_in_mid_stream_keeps_what_came_before(model_kernel):
    error = {"code": "out_of_memory", "message": "no room"}
    model_kernel.scripts["/v1/generate"] = [*story(" upon", " a")[:2], Failed(error=error)]
    with pytest.raises(gpt.GptNotebookError) as caught:
        gpt.generate("Once")
    assert [each.text for each in caught.value.partial] == [" upon"]


def test_an_interrupt_keeps_what_came_before_and_stops_the_generation(model_kernel):
    gone = threading.Event()

    def script(stream: Stream, _body: dict) -> None:
        stream.send(*story(" upon")[:2])
        stream.comment()
        os.kill(os.getpid(), signal.SIGINT)
        stream.wait_until_closed()
        gone.set()

    model_kernel.scripts["/v1/generate"] = script
    with pytest.raises(GenerationInterrupted) as caught:
        gpt.generate("Once")
    assert not any(each.complete for each in caught.value.partial)
    assert gone.wait(5)


def test_one_that_leaves_before_its_first_word_is_asked_again(model_kernel):
    attempts = []

    def script(stream: Stream, _body: dict) -> None:
        attempts.append(stream)
        if len(attempts) == 1:
            stream.die()
        else:
            stream.send(*story(" upon"))

    model_kernel.scripts["/v1/generate"] = script
    assert gpt.generate("Once").text == " upon"
    assert len(attempts) == 2


def test_one_that_leaves_in_mid_sentence_is_not(model_kernel):
    def script(stream: Stream, _body: dict) -> None:
        stream.send(*story(" upon")[:2])
        stream.die()

    model_kernel.scripts["/v1/generate"] = script
    with pytest.raises(ConnectionLost) as caught:
        gpt.generate("Once")
    assert [each.text for each in caught.value.partial] == [" upon"]
    assert len(model_kernel.requests("/v1/generate")) == 1


# --- tokens and likelihoods -----------------------------------------------------------------------------------------


def test_next_and_tokenize(model_kernel):
    assert [token.text for token in gpt.next("Once", k=2)] == [" upon", " a"]
    assert model_kernel.requests("/v1/next") == [{"prompt": "Once", "model": "storyteller", "k": 2}]
    assert [token.text for token in gpt.tokenize("Once")] == ["Once"]


def test_score_is_an_array_of_prompts_and_choices(model_kernel):
    scores = gpt.score(["one", "two"], [" a", " bad", " c"])
    assert scores.tolist() == [[-2, -4, -2], [-2, -4, -2]]
    assert gpt.score("one", [" a", " bad"], normalize="mean").tolist() == [[-1, -1]]


def test_many_texts_go_in_several_requests(model_kernel):
    assert gpt.score(["prompt"] * 50, ["a", "bb"]).shape == (50, 2)
    assert [len(body["prompts"]) for body in model_kernel.requests("/v1/score")] == [64, 36]


def test_perplexity_counts_the_tokens_that_have_a_likelihood(model_kernel):
    perplexity = gpt.perplexity(["abc", "de"])
    assert float(perplexity) == pytest.approx(np.e)
    assert len(perplexity.tokens) == 5
    assert perplexity.per_token == (1.0, 1.0, 1.0)
