"""The client asking about the inside of a model: events of their own types, and arrays that are whole or an error."""

from __future__ import annotations

import contextlib
import socket
import threading

import numpy as np
import pytest
from fake_model_kernel import TOKEN, FakeModelKernel, story

from gpt_notebook.attention_protocol import (
    AttentionRequest,
    Captured,
    HeadScores,
    MapRequest,
    OverviewRequest,
    ScoresRequest,
)
from gpt_notebook.client import Client
from gpt_notebook.errors import (
    AttentionNotFound,
    ConnectionLost,
    ModelKernelError,
)
from gpt_notebook.protocol import Done, Failed


@pytest.fixture
def client(model_kernel: FakeModelKernel) -> Client:
    return Client(model_kernel.address, TOKEN)


MAP = MapRequest(attention="an-id", part="decoder", layer=0, head=0)


@contextlib.contextmanager
def answering(answer: bytes):
    """A client of something that gives one answer to whatever is asked, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + answer)
                connection.shutdown(socket.SHUT_WR)
                # Closing with some of the request unread would reset the connection, the answer included.
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=speak)
        thread.start()
        yield Client(f"http://127.0.0.1:{server.getsockname()[1]}", TOKEN)
        thread.join()


def array_answer(body: bytes, *, shape: str = "2,3", dtype: str = "float32", length: int | None = None) -> bytes:
    """The answer with an array, as the model kernel gives it."""
    size = len(body) if length is None else length
    head = f"X-Array-Shape: {shape}\r\nX-Array-Dtype: {dtype}\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body


def test_the_events_about_the_inside_of_a_model_have_types_of_their_own(client, model_kernel):
    model_kernel.scripts["/v1/attention/scores"] = [HeadScores(values=(((0.5, None),),)), Done()]
    request = ScoresRequest(attention="an-id", part="decoder", kinds=("sink",))
    assert list(client.inspect(request)) == [HeadScores(values=(((0.5, None),),)), Done()]
    assert model_kernel.requests("/v1/attention/scores")[0]["kinds"] == ["sink"]


def test_what_fails_inside_a_stream_about_the_inside_raises_its_own_error(client, model_kernel):
    model_kernel.scripts["/v1/attention/scores"] = [Failed(error={"code": "attention_not_found", "message": "gone"})]
    with pytest.raises(AttentionNotFound, match="gone"):
        list(client.inspect(ScoresRequest(attention="an-id", part="decoder", kinds=("sink",))))


def test_an_event_that_belongs_elsewhere_is_ignored(client, model_kernel):
    model_kernel.scripts["/v1/attention"] = [story()[0], Done()]
    events = list(client.inspect(AttentionRequest(text="Once")))
    assert not any(isinstance(each, Captured) for each in events)
    assert events == [Done()]


def test_the_hub_token_goes_with_what_names_a_model(remote, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    remote.scripts |= {"/v1/attention": [Done()], "/v1/attention/scores": [Done()]}
    client = Client(remote.address, TOKEN)
    list(client.inspect(AttentionRequest(model="org/gated", text="Once")))
    assert remote.calls[-1][2]["X-Hub-Token"] == "hf_x"
    list(client.inspect(ScoresRequest(attention="an-id", part="decoder", kinds=("sink",))))
    assert "X-Hub-Token" not in remote.calls[-1][2]


@pytest.mark.parametrize("shape", [(2, 3), (300, 400), (1, 2, 3, 4), (0, 3), ()])
def test_an_array_is_its_numbers_in_its_shape(shape):
    sent = np.random.default_rng(0).random(shape, np.float32)
    with answering(array_answer(sent.tobytes(), shape=",".join(map(str, shape)))) as client:
        found = client.array(OverviewRequest(attention="an-id", part="decoder"))
    np.testing.assert_array_equal(found, sent, strict=True)
    assert found.flags.writeable


def test_an_array_may_come_in_pieces_and_without_a_copy(monkeypatch):
    sent = np.arange(600, dtype=np.float32)
    body, made = sent.tobytes(), []
    empty = np.empty
    monkeypatch.setattr(np, "empty", lambda *how: made.append(empty(*how)) or made[-1])
    with answering(array_answer(body, shape="600")) as client:
        found = client.array(MAP)
    np.testing.assert_array_equal(found, sent)
    assert found is made[0]


@pytest.mark.parametrize("missing", [1, 24])
def test_an_array_that_ends_early_is_a_lost_connection(missing):
    with answering(array_answer(bytes(24 - missing), length=24)) as client:
        with pytest.raises(ConnectionLost, match="went away before its answer was complete"):
            client.array(MAP)


@pytest.mark.parametrize(
    "answer",
    [
        array_answer(bytes(24), dtype="float64"),
        array_answer(bytes(20)),
        array_answer(bytes(28)),
        array_answer(bytes(24), shape="2,x"),
        array_answer(bytes(24), shape="-2,-3"),
        array_answer(b"0", shape="999999999,999999999"),
        b"Content-Length: 2\r\n\r\n{}",
    ],
)
def test_what_is_no_array_is_said_to_be_none(answer):
    with answering(answer) as client, pytest.raises(ModelKernelError, match="is that a model kernel"):
        client.array(MAP)


def test_an_array_that_is_refused_raises_its_own_error(client, model_kernel):
    error = {"code": "attention_not_found", "message": "gone", "status": 404}
    model_kernel.answers["/v1/attention/map"] = {"error": error}
    with pytest.raises(AttentionNotFound, match="gone"):
        client.array(MAP)
