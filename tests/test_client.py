"""The client: streams that are whole or an error, connections that end at once, tokens that go nowhere else."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import socket
import threading
from pathlib import Path

import pytest
from fake_model_kernel import TOKEN, FakeModelKernel, Stream, story, token

import gpt_notebook.client
from gpt_notebook.client import Client
from gpt_notebook.completion import Collector
from gpt_notebook.connection import Target
from gpt_notebook.errors import (
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
