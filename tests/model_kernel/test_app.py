from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from gpt_notebook.batch_protocol import BatchRequest
from gpt_notebook.client import Client
from gpt_notebook.errors import (
    GptNotebookError,
    ModelKernelBusy,
    ModelKernelError,
    ModelKernelNotRunning,
    ModelNotFound,
    OutOfMemory,
    TooManyRequests,
)
from gpt_notebook.identity import __version__, source_hash
from gpt_notebook.model_kernel import event_stream
from gpt_notebook.protocol import (
    AdapterInfo,
    CancelRequest,
    ChatMessage,
    GenerateRequest,
    LoadRequest,
    NextRequest,
    SamplingOptions,
    ScoreRequest,
    StopRequest,
    TokenizeRequest,
    UnloadRequest,
)
from gpt_notebook.testing import FakeEngine, Gate, serving

STORY = GenerateRequest(prompt="Once", options=SamplingOptions(max_new_tokens=50))


@contextlib.contextmanager
def held(text="one two three four", **options):
    """A server whose generations wait at a gate, and one of them that has begun."""
    engine = FakeEngine(text, gate=Gate(), **options)
    with serving(engine) as model_kernel:
        events = model_kernel.client().generate(STORY)
        next(events)
        yield engine, model_kernel, events


def test_who_the_model_kernel_is():
    with serving(FakeEngine()) as model_kernel:
        status = model_kernel.client().status()
    assert (status.state, status.version, status.source_hash) == ("ready", __version__, source_hash())
    assert status.address == model_kernel.address


def test_adapters_are_listed():
    adapters = [AdapterInfo(name="pip", source="/a/pip", rank=8, steps=(1, 2), best=2, models=("storyteller",))]
    with serving(FakeEngine(adapters=adapters)) as model_kernel:
        assert model_kernel.client().adapters() == adapters


def test_a_request_starts_no_thread_that_would_stay_behind():
    with serving(FakeEngine()) as model_kernel:
        client = model_kernel.client()

        def ask():
            client.status()
            client.models()
            client.cancel(CancelRequest())
            list(client.generate(STORY))
            return {each.name for each in threading.enumerate()}

        ask()
        assert not [name for name in ask() if name.startswith("AnyIO")]


def test_a_stream_numbers_its_events_and_ends_with_done():
    with serving(
        FakeEngine(
            "a b",
        ),
        unix=False,
    ) as model_kernel:
        events = list(model_kernel.client().generate(STORY))
    assert [event.type for event in events] == ["started", "tokens", "tokens", "finished", "done"]


def test_tokens_come_while_the_generation_runs():
    with held() as (engine, _, events):
        for word in ("one", " two"):
            engine.gate.let(1)
            assert next(events).tokens[0].text == word


def test_every_route_answers():
    engine = FakeEngine("one two", models=("storyteller", "other"))
    with serving(engine) as model_kernel:
        client = model_kernel.client()
        assert [model.name for model in client.models()] == ["storyteller", "other"]
        assert [token.text for token in client.tokenize(TokenizeRequest(text="a b"))] == ["a", " b"]
        assert len(client.next(NextRequest(prompt="x", k=3))) == 3
        scored = list(client.score(ScoreRequest(prompts=("x",), continuations=("a b",))))
        assert scored[0].score.logprob == -2
        batch = BatchRequest(prompts=("x", "y"), options=SamplingOptions(max_new_tokens=1))
        assert [event.type for event in client.batch(batch)] == ["batch_started", "row_done", "row_done", "done"]
        loaded = list(client.load(LoadRequest(model="other")))
        assert [event.type for event in loaded] == ["progress", "loaded", "done"]
        client.unload(UnloadRequest(model="other"))
        assert [model.name for model in client.status().models] == ["storyteller"]
        assert client.cancel(CancelRequest()) == 0


def test_the_request_arrives_as_it_was_sent(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    engine = FakeEngine(models=["someone/model"])
    request = GenerateRequest(
        model="someone/model",
        messages=(ChatMessage(role="user", content="Füchse 🦊"),),
        options=SamplingOptions(max_new_tokens=3, temperature=0.5, stop=("x",), seed=4, n=2, logprobs=1, top_k=7),
    )
    with serving(engine) as model_kernel:
        list(model_kernel.client().generate(request))
    assert engine.asked == [request]
    assert engine.hub_tokens == ["hf_mine"]


def test_a_failure_before_the_first_event_is_an_error_response():
    with serving(FakeEngine(error=OutOfMemory("no room"))) as model_kernel:
        with pytest.raises(OutOfMemory, match="no room"):
            next(model_kernel.client().generate(STORY))
        with pytest.raises(ModelNotFound, match="there is no model 'unknown'"):
            next(model_kernel.client().generate(GenerateRequest(prompt="x", model="unknown")))


def test_a_failure_in_mid_stream_is_its_last_event():
    with serving(FakeEngine("a b c", error=OutOfMemory("no room"), fails_after=2)) as model_kernel:
        events = model_kernel.client().generate(STORY)
        assert [next(events).type for _ in range(3)] == ["started", "tokens", "tokens"]
        with pytest.raises(OutOfMemory, match="no room"):
            next(events)


@pytest.mark.parametrize("fails_after", [None, 1])
def test_what_nobody_expected_is_one_line_too(fails_after, caplog):
    with serving(FakeEngine("a b c", error=ZeroDivisionError("oops"), fails_after=fails_after)) as model_kernel:
        with pytest.raises(GptNotebookError, match=r"failed \(ZeroDivisionError\): see  gpt-notebook logs"):
            list(model_kernel.client().generate(STORY))
        assert model_kernel.client().status().requests == ()


def test_a_full_queue_says_when_to_come_back():
    with held(max_requests=1) as (_, model_kernel, _):
        with pytest.raises(TooManyRequests, match="try again"):
            next(model_kernel.client().generate(STORY))
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.connect(model_kernel.address.removeprefix("unix:"))
            connection.sendall(_post(model_kernel, "/v1/generate", b'{"prompt": "x"}'))
            head = connection.recv(65536).lower()
        assert b"429" in head
        assert b"retry-after: 1" in head


def _post(model_kernel, path, body):
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {model_kernel.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def test_a_client_that_leaves_in_mid_stream_frees_its_request():
    with held() as (engine, model_kernel, events):
        assert len(model_kernel.client().status().requests) == 1
        events.close()
        engine.wait_until(lambda: not engine.requests())
        assert model_kernel.client().status().requests == ()


@pytest.mark.parametrize("path", ["/v1/generate", "/v1/batch", "/v1/completions", "/v1/chat/completions"])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_before_its_first_token_frees_its_request(path, streamed):
    body = {
        "/v1/generate": b'{"prompt": "x"}',
        "/v1/batch": b'{"prompts": ["x", "y"]}',
        "/v1/completions": b'{"prompt": "x", "stream": %s}',
        "/v1/chat/completions": b'{"messages": [{"role": "user", "content": "x"}], "stream": %s}',
    }[path]
    body = body % (b"true" if streamed else b"false") if b"%s" in body else body
    engine = FakeEngine(gate=Gate())
    with serving(engine) as model_kernel:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.connect(model_kernel.address.removeprefix("unix:"))
            connection.sendall(_post(model_kernel, path, body))
            engine.wait_until(lambda: len(engine.requests()) == 1)
        engine.wait_until(lambda: not engine.requests())


class _SlowToBegin(FakeEngine):
    """Says nothing at all until it is cancelled, like one that waits for a load or a download."""

    async def generate(self, request, *, hub_token=None):
        with self._admitted(request, request.model, hub_token) as entry:
            await entry.cancelled.wait()
            yield None

    async def next(self, request, *, hub_token=None):
        with self._admitted(request, request.model, hub_token) as entry:
            await entry.cancelled.wait()
        return []


@pytest.mark.parametrize("path", ["/v1/generate", "/v1/next", "/v1/completions"])
def test_a_client_that_leaves_while_nothing_has_come_yet_frees_its_request(path):
    engine = _SlowToBegin()
    with serving(engine) as model_kernel:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.connect(model_kernel.address.removeprefix("unix:"))
            connection.sendall(_post(model_kernel, path, b'{"prompt": "x"}'))
            engine.wait_until(lambda: len(engine.requests()) == 1)
        engine.wait_until(lambda: not engine.requests())


def test_a_reader_that_takes_nothing_is_dropped(monkeypatch):
    monkeypatch.setattr(event_stream, "SLOW_READER_SECONDS", 0.2)
    engine = FakeEngine("word " * 200_000)
    options = b'{"prompt": "x", "options": {"max_new_tokens": 1000, "n": 8, "logprobs": 20}}'
    with serving(engine) as model_kernel, contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(model_kernel.address.removeprefix("unix:"))
        connection.sendall(_post(model_kernel, "/v1/generate", options))
        engine.wait_until(lambda: len(engine.requests()) == 1)
        engine.wait_until(lambda: not engine.requests())


def test_a_silent_stream_gives_signs_of_life_that_clients_ignore(monkeypatch):
    monkeypatch.setattr(event_stream, "SIGN_OF_LIFE_SECONDS", 0.02)
    engine = FakeEngine("one", gate=Gate())
    with serving(engine) as model_kernel:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(10)
            connection.connect(model_kernel.address.removeprefix("unix:"))
            connection.sendall(_post(model_kernel, "/v1/generate", b'{"prompt": "x"}'))
            with connection.makefile("rb") as lines:
                comments = (line for line in lines if line == event_stream.SIGN_OF_LIFE.splitlines(keepends=True)[0])
                assert [next(comments), next(comments)]
        engine.wait_until(lambda: not engine.requests())
        events = model_kernel.client().generate(GenerateRequest(prompt="x"))
        assert next(events).type == "started"
        engine.gate.open()
        assert list(events)[-1].type == "done"


def test_cancelling_ends_all_streams_as_cancelled():
    with held() as (_, model_kernel, events):
        assert model_kernel.client().cancel(CancelRequest()) == 1
        finished, done = events
        assert (finished.finish_reason, done.type) == ("cancelled", "done")


def test_a_busy_model_kernel_is_not_stopped():
    with held() as (engine, model_kernel, events):
        with pytest.raises(ModelKernelBusy, match="1 request is running"):
            model_kernel.client().stop(StopRequest())
        engine.gate.open()
        assert list(events)[-1].type == "done"


def test_a_forced_stop_ends_everything_in_order():
    with held() as (_, model_kernel, events):
        model_kernel.client().stop(StopRequest(force=True))
        assert [event.type for event in events] == ["finished", "done"]
        model_kernel.thread.join(10)
        with pytest.raises(ModelKernelNotRunning):
            model_kernel.client().status()


def test_one_that_is_stopping_says_so_and_takes_no_work():
    with held() as (_, model_kernel, _):
        model_kernel.kernel.stopping = True
        status = model_kernel.client().status()
        assert status.state == "stopping"
        with pytest.raises(ModelKernelError, match="is stopping: try again"):
            next(model_kernel.client().generate(STORY))


def test_many_clients_are_served_at_once():
    engine = FakeEngine("a b c", gate=Gate())
    with serving(engine) as model_kernel:
        ends = []

        def one():
            client = Client(model_kernel.address, model_kernel.token)
            ends.append(list(client.generate(STORY))[-1].type)

        threads = [threading.Thread(target=one) for _ in range(10)]
        for thread in threads:
            thread.start()
        engine.wait_until(lambda: len(engine.requests()) == 10)
        engine.gate.open()
        for thread in threads:
            thread.join(10)
    assert ends == ["done"] * 10
