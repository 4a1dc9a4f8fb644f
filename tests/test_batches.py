"""Lists of prompts: as few requests as hold them, in the order in which they were given, and what is left when they fail."""

from __future__ import annotations

import json
import os
import signal
import threading
from types import SimpleNamespace

import pytest
from fake_model_kernel import Stream, batch, row

import gpt_notebook as gpt
from gpt_notebook import batches
from gpt_notebook import session as session_module
from gpt_notebook.batch_protocol import BatchStarted, RowFailed
from gpt_notebook.display import progress
from gpt_notebook.display.progress import Bar
from gpt_notebook.errors import (
    ConnectionLost,
    ContextLengthExceeded,
    GenerationInterrupted,
    PayloadTooLarge,
    TooManyRequests,
)
from gpt_notebook.protocol import Done
from gpt_notebook.settings import Settings
from gpt_notebook.testing import FakeEngine, serving

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")

STARTED = BatchStarted(id="1", model="storyteller", fingerprint="f")


def asked(model_kernel):
    return [body["prompts"] for body in model_kernel.requests("/v1/batch")]


def test_completions_are_in_the_order_of_the_prompts_and_tell_what_was_used(model_kernel):
    first, second = gpt.generate(["Once", "Twice"])
    assert (first.prompt, second.prompt) == ("Once", "Twice")
    assert (first.model, first.fingerprint, first.options.seed) == ("storyteller", "f", 7)
    assert (first.finish_reason, first.usage.completion_tokens, first.timing.total) == ("length", 3, 0.1)


def test_several_samples_of_each_are_lists(model_kernel):
    answers = gpt.generate(["Once", "Twice"], n=2)
    assert [[each.index for each in samples] for samples in answers] == [[0, 1], [0, 1]]
    assert answers[0][1].seed == 8


def test_a_list_waits_for_a_full_model_kernel_and_a_single_call_a_few_seconds_only(model_kernel, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(session_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def pause(seconds: float) -> None:
        clock[0] += seconds
        model_kernel.refusals -= 1

    monkeypatch.setattr(session_module, "pause", pause)
    model_kernel.refusals = 60
    assert len(gpt.generate(["Once", "Twice"])) == 2
    for call, path in ((lambda: gpt.generate("Once"), "/v1/generate"), (lambda: gpt.next("Once"), "/v1/next")):
        model_kernel.refusals = 60
        begin = clock[0]
        with pytest.raises(TooManyRequests, match="try again"):
            call()
        assert clock[0] - begin == session_module.PATIENCE
        assert len(model_kernel.requests(path)) == session_module.PATIENCE + 1
    model_kernel.refusals = 2
    assert gpt.generate("Once").complete


def test_one_that_does_not_say_when_is_not_waited_for(model_kernel):
    model_kernel.refusals, model_kernel.retry_after = 1, None
    with pytest.raises(TooManyRequests, match="try again"):
        gpt.generate(["Once", "Twice"])


def test_everything_that_is_asked_for_is_sent(model_kernel):
    gpt.generate(["Once"], system="Be brief", temperature=0.5, seed=3)
    (body,) = model_kernel.requests("/v1/batch")
    assert (body["system"], body["chat"], body["model"]) == ("Be brief", None, "storyteller")
    assert (body["options"]["temperature"], body["options"]["seed"]) == (0.5, 3)


def test_a_list_that_is_too_large_for_one_request_goes_in_several(model_kernel, monkeypatch):
    monkeypatch.setenv("GPT_NOTEBOOK_MAX_BODY", "1000")
    prompts = [f"{i} " + "ü" * i for i in range(60)]
    assert [each.prompt for each in gpt.generate(prompts)] == prompts
    assert [prompt for each in asked(model_kernel) for prompt in each] == prompts
    bodies = [len(json.dumps(body)) for body in model_kernel.requests("/v1/batch")]
    assert max(bodies) <= 1000
    assert min(bodies[:-1]) > 500


def test_a_list_of_too_many_prompts_goes_in_several_requests(model_kernel, monkeypatch):
    monkeypatch.setattr(batches, "MAX_ROWS", 4)
    assert len(gpt.generate(["x"] * 10)) == 10
    assert list(map(len, asked(model_kernel))) == [4, 4, 2]


def test_a_model_kernel_that_reads_less_than_we_thought_gets_smaller_requests(settings, monkeypatch):
    engine = FakeEngine("a fox")
    with serving(engine, settings=Settings(max_body=600)) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        prompts = [f"{i} " + "x" * 100 for i in range(9)]
        assert [each.prompt for each in gpt.generate(prompts)] == prompts
        assert len(engine.asked) > 1
        with pytest.raises(PayloadTooLarge, match=r"prompt 1 \('xxx.*…'\): the request is larger than"):
            gpt.generate(["fits", "x" * 1000])


def test_a_prompt_that_fails_is_named_and_stops_the_others(model_kernel):
    gone = threading.Event()

    def script(stream: Stream, body: dict) -> None:
        stream.send(STARTED, row(2, body), row(0, body))
        stream.send(RowFailed(index=1, error={"code": "context_length_exceeded", "message": "too long"}))
        stream.wait_until_closed()
        gone.set()

    model_kernel.scripts["/v1/batch"] = script
    with pytest.raises(ContextLengthExceeded) as caught:
        gpt.generate(["Once", "Twice " * 20, "Thrice", "Never"])
    assert caught.value.message == "prompt 1 ('Twice Twice Twice Twice Twice…'): too long"
    assert [each.prompt for each in caught.value.partial] == ["Once", "Thrice"]
    assert gone.wait(5)


def test_the_only_prompt_of_a_list_needs_no_name(model_kernel):
    failed = RowFailed(index=0, error={"code": "context_length_exceeded", "message": "too long"})
    model_kernel.scripts["/v1/batch"] = [STARTED, failed, Done()]
    with pytest.raises(ContextLengthExceeded) as caught:
        gpt.generate(["Once"])
    assert caught.value.message == "too long"


def test_an_interrupt_keeps_what_was_done_and_stops_the_others(model_kernel, monkeypatch):
    gone = threading.Event()

    def script(stream: Stream, body: dict) -> None:
        stream.send(STARTED, row(1, body))
        stream.wait_until_closed()
        gone.set()

    class Interrupting(Bar):
        def __call__(self, done: int, total: int) -> None:
            if done:
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(progress, "bar", Interrupting)
    model_kernel.scripts["/v1/batch"] = script
    with pytest.raises(GenerationInterrupted) as caught:
        gpt.generate(["Once", "Twice", "Thrice"])
    assert [(each.prompt, each.complete) for each in caught.value.partial] == [("Twice", True)]
    assert str(caught.value) == "Interrupted: the text above is incomplete."
    assert gone.wait(5)


def test_the_count_begins_with_none_before_the_first_is_done(model_kernel, monkeypatch):
    told = []

    class Telling(Bar):
        def __call__(self, done: int, total: int) -> None:
            told.append((done, total))

    monkeypatch.setattr(progress, "bar", Telling)
    gpt.generate(["Once", "Twice"])
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_a_model_kernel_that_dies_leaves_what_was_done(model_kernel):
    def script(stream: Stream, body: dict) -> None:
        stream.send(STARTED, row(1, body))
        stream.die()

    model_kernel.scripts["/v1/batch"] = script
    with pytest.raises(ConnectionLost) as caught:
        gpt.generate(["Once", "Twice"])
    assert [each.prompt for each in caught.value.partial] == ["Twice"]


def test_one_that_leaves_before_it_begins_is_asked_again(model_kernel):
    attempts = []

    def script(stream: Stream, body: dict) -> None:
        attempts.append(stream)
        stream.die() if len(attempts) == 1 else batch(stream, body)

    model_kernel.scripts["/v1/batch"] = script
    assert len(gpt.generate(["Once", "Twice"])) == 2
    assert len(attempts) == 2
