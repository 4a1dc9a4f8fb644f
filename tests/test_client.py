"""The client: streams that are whole or an error, connections that end at once, tokens that go nowhere else."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from fake_model_kernel import TOKEN, FakeModelKernel, Stream, story, token

import gpt_notebook.client
from gpt_notebook.attention_protocol import (
    AttentionRequest,
    Captured,
    HeadScores,
    MapRequest,
    OverviewRequest,
    ScoresRequest,
)
from gpt_notebook.client import Client
from gpt_notebook.completion import Collector
from gpt_notebook.connection import Target
from gpt_notebook.errors import (
    AttentionNotFound,
    AuthenticationFailed,
    ConnectionLost,
    InvalidRequest,
    ModelKernelBusy,
    ModelKernelError,
    ModelKernelNotRunning,
    ModelNotFound,
)
from gpt_notebook.protocol import Done, Failed, GenerateRequest, StopRequest, Tokens

REQUEST = GenerateRequest(prompt="Once")


@pytest.fixture
def client(model_kernel: FakeModelKernel) -> Client:
    return Client(model_kernel.address, TOKEN)


def test_a_stream_is_all_its_events(client, model_kernel):
    assert list(client.generate(REQUEST)) == model_kernel.scripts["/v1/generate"]


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/behind/v1"])
def test_a_v1_at_the_end_of_an_address_is_left_out(path):
    assert Target.of(f"https://gpu-machine:8642{path}").prefix == path.rstrip("/").removesuffix("/v1")


def test_the_same_over_tcp(remote):
    assert list(Client(remote.address, TOKEN).generate(REQUEST)) == remote.scripts["/v1/generate"]


def test_events_arrive_while_the_stream_goes_on(client, model_kernel):
    seen = threading.Event()

    def script(stream: Stream, _body: dict) -> None:
        stream.send(*story(" upon")[:2])
        assert seen.wait(10)
        stream.send(*story(" upon")[2:])

    model_kernel.scripts["/v1/generate"] = script
    events = client.generate(REQUEST)
    assert [type(next(events)).type for _ in range(2)] == ["started", "tokens"]
    seen.set()
    assert isinstance(list(events)[-1], Done)


@pytest.mark.parametrize("ending", ["end", "die"])
def test_a_stream_without_its_end_marker_is_an_error(client, model_kernel, ending):
    def script(stream: Stream, _body: dict) -> None:
        stream.send(*story(" upon", " a")[:2])
        getattr(stream, ending)()

    model_kernel.scripts["/v1/generate"] = script
    collector = Collector()
    events = map(collector.add, client.generate(REQUEST))
    with pytest.raises(ConnectionLost, match="run it again"):
        list(events)
    (partial,) = collector.completions()
    assert (partial.text, partial.finish_reason, partial.complete) == (" upon", None, False)


def test_a_missing_event_is_an_error(client, model_kernel):
    def script(stream: Stream, _body: dict) -> None:
        stream.send(story(" upon")[0])
        stream._count += 1
        stream.send(*story(" upon")[1:])

    model_kernel.scripts["/v1/generate"] = script
    with pytest.raises(ConnectionLost):
        list(client.generate(REQUEST))


def test_half_a_line_is_an_error(client, model_kernel):
    model_kernel.scripts["/v1/generate"] = lambda stream, _body: stream.send_line('{"type": "tok')
    with pytest.raises(ConnectionLost):
        list(client.generate(REQUEST))


def test_what_this_version_does_not_know_is_ignored(client, model_kernel):
    def script(stream: Stream, _body: dict) -> None:
        stream.comment()
        stream.send_line(json.dumps({"type": "weather", "seq": 0}))
        stream.send_line(json.dumps({"type": "done", "seq": 1, "timing": None, "mood": "good"}))

    model_kernel.scripts["/v1/generate"] = script
    assert list(client.generate(REQUEST)) == [Done()]


def test_a_failed_request_raises_its_own_error(client, model_kernel):
    error = {"code": "model_not_found", "message": "there is no model gtp2", "param": "model"}
    model_kernel.scripts["/v1/generate"] = [Failed(error=error)]
    with pytest.raises(ModelNotFound, match="no model gtp2") as caught:
        list(client.generate(REQUEST))
    assert caught.value.param == "model"


def test_closing_the_generator_hangs_up_at_once(client, model_kernel):
    gone = threading.Event()

    def script(stream: Stream, _body: dict) -> None:
        stream.send(story()[0])
        stream.wait_until_closed()
        gone.set()

    model_kernel.scripts["/v1/generate"] = script
    events = client.generate(REQUEST)
    next(events)
    events.close()
    assert gone.wait(5)


def test_a_long_event_in_many_pieces(client, model_kernel):
    long = Tokens(index=0, tokens=tuple(token("é" * 50) for _ in range(2000)))
    model_kernel.scripts["/v1/generate"] = [story()[0], long, Done()]
    assert list(client.generate(REQUEST))[1] == long


def test_an_error_answer_raises_its_own_error(model_kernel):
    with pytest.raises(AuthenticationFailed, match="that token is not right"):
        Client(model_kernel.address, "another").status()


def test_stopping_a_busy_one_is_refused(client, model_kernel):
    model_kernel.busy = True
    with pytest.raises(ModelKernelBusy, match="2 requests"):
        client.stop(StopRequest())


def test_nobody_there(settings):
    with pytest.raises(ModelKernelNotRunning, match="starts with the next cell"):
        Client(f"unix:{settings.runtime_dir}/none.sock", TOKEN).status()


def test_nobody_there_at_a_url():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ModelKernelNotRunning, match=f"127.0.0.1:{port}.*check the address"):
        Client(f"http://127.0.0.1:{port}", TOKEN).status()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 2\r\n\r\nhi", "302 Found"),
        ("200 OK\r\nContent-Length: 0\r\n\r\n", "something else"),
        ('200 OK\r\nContent-Length: 18\r\n\r\n{"status": "fine"}', "something else"),
    ],
)
def test_something_else_is_there(answer, said):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(f"HTTP/1.1 {answer}".encode())

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(ModelKernelError, match=f"answered {said}: is that a model kernel"):
            Client(f"http://127.0.0.1:{server.getsockname()[1]}", TOKEN).status()
        thread.join()


def test_one_that_hangs_is_said_to_hang():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = Client(f"http://127.0.0.1:{server.getsockname()[1]}", TOKEN)
        with pytest.raises(ModelKernelError, match=r"gave no answer within 0\.1 s"):
            client.status(timeout=0.1)


def test_an_answer_that_comes_before_the_whole_body_is_read():
    body = json.dumps({"error": {"code": "payload_too_large", "message": "4 MiB at most"}}).encode()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                connection.shutdown(socket.SHUT_WR)
                with contextlib.suppress(OSError):
                    while connection.recv(65536):
                        pass

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(InvalidRequest, match="4 MiB at most"):
            list(
                Client(f"http://127.0.0.1:{server.getsockname()[1]}", TOKEN).generate(
                    GenerateRequest(prompt="x" * 5_000_000)
                )
            )
        thread.join()


def test_the_operating_system_watches_over_the_line_to_another_machine(remote):
    with contextlib.closing(Client(remote.address, TOKEN)._connect()) as connection:
        assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_a_line_that_is_found_dead_is_a_lost_connection(client, monkeypatch):
    def dead(*_arguments):
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(http.client.HTTPResponse, "read1", dead)
    with pytest.raises(ConnectionLost, match="went away"):
        list(client.generate(REQUEST))


def test_a_stream_that_falls_silent_is_a_lost_connection(client, model_kernel, monkeypatch):
    monkeypatch.setattr(gpt_notebook.client, "SILENCE_TIMEOUT", 0.2)

    def script(stream: Stream, _body: dict) -> None:
        stream.send(*story(" upon")[:2])
        stream.comment()
        stream.wait_until_closed()

    model_kernel.scripts["/v1/generate"] = script
    with pytest.raises(ConnectionLost, match=r"gave no sign of life for 0\.2 s"):
        list(client.generate(REQUEST))


def test_the_environments_proxies_are_not_used(remote, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert Client(remote.address, TOKEN).status().state == "ready"


def test_the_hub_token_goes_only_where_nobody_can_read_it(remote, monkeypatch):
    def sent() -> str | None:
        list(Client(remote.address, TOKEN).generate(GenerateRequest(model="org/gated", prompt="Once")))
        return remote.calls[-1][2].get("X-Hub-Token")

    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert sent() == "hf_x"
    monkeypatch.setattr(Target, "private", False)
    assert sent() is None


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("unix:/run/model-kernel.sock", True),
        ("http://127.0.0.1:8642", True),
        ("https://gpu-machine:8642", True),
        ("http://gpu-machine:8642", False),
    ],
)
def test_what_is_private(address, private):
    assert Target.of(address).private is private


@pytest.mark.parametrize(
    "address", ["gpu-machine:8642", "ftp://gpu", "http://", "http://gpu:99999", "", str(Path("/x"))]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InvalidRequest, match="not the address of a model kernel"):
        Client(address)


def test_a_secret_in_an_address_is_refused():
    with pytest.raises(InvalidRequest, match="GPT_NOTEBOOK_TOKEN") as caught:
        Client("http://user:s3cret@gpu:1")
    assert "s3cret" not in str(caught.value)


def test_the_token_is_not_shown():
    assert "s3cret" not in repr(Client("http://gpu:1", "s3cret"))


# --- the inside of a model ------------------------------------------------------------------------------------------


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
