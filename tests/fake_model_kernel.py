"""A stand-in for the model kernel in the tests of the notebook side: it speaks the protocol over a real socket and follows a script.

It knows no model. What it answers to a path is a list of events, and what becomes of it in mid-stream is up to the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gpt_notebook import identity
from gpt_notebook.batch_protocol import BatchEvent, BatchStarted, RowDone, RowSample
from gpt_notebook.protocol import (
    Done,
    Event,
    Finished,
    Loaded,
    ModelInfo,
    SamplingOptions,
    Scored,
    Started,
    Status,
    TextScore,
    Timing,
    Token,
    Tokens,
    Usage,
    encode,
    encode_event,
)
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import Settings

TOKEN = "a-token-for-tests-as-long-as-others"


def token(text: str, logprob: float | None = -1.0) -> Token:
    return Token(id=len(text), text=text, logprob=logprob)


def story(*texts: str, n: int = 1, seed: int = 7) -> list[Event]:
    """The events of a generation of these tokens, for each of n samples."""
    options = SamplingOptions(seed=seed, n=n)
    started = Started(
        id="1", model="storyteller", fingerprint="f", prompt="Once", prompt_token_ids=(5,), options=options
    )
    usage = Usage(prompt_tokens=1, completion_tokens=len(texts))
    return [
        started,
        *(Tokens(index=index, tokens=(token(text),)) for text in texts for index in range(n)),
        *(Finished(index=index, finish_reason="length", usage=usage) for index in range(n)),
        Done(timing=Timing(queued=0, first_token=0.01, total=0.1)),
    ]


Script = Callable[["Stream", dict[str, Any]], None]


class Stream:
    """The answer to one request, as a script sends it."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler
        self._count = 0
        self.closed = threading.Event()

    def send(self, *events: Event | BatchEvent) -> None:
        for event in events:
            self.send_line(json.dumps(encode_event(event, self._count)))

    def send_line(self, data: str) -> None:
        self._chunk(f"data: {data}\n\n".encode())
        self._count += 1

    def comment(self) -> None:
        self._chunk(b": still here\n\n")

    def _chunk(self, data: bytes) -> None:
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self._handler.wfile.flush()

    def end(self) -> None:
        """End the answer as HTTP has it, whether or not the stream was complete."""
        self._handler.wfile.write(b"0\r\n\r\n")

    def die(self) -> None:
        """Hang up, as the end of the process does."""
        self._handler.connection.shutdown(socket.SHUT_RDWR)

    def wait_until_closed(self) -> None:
        """Return when the client has hung up."""
        self._handler.connection.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert self._handler.rfile.read(1) == b""
        self.closed.set()


class _HTTPServer(ThreadingHTTPServer):
    def handle_error(self, *_arguments: object) -> None:
        """Say nothing: clients that hang up are what the tests are about."""


class _UnixHTTPServer(_HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)


class FakeModelKernel:
    """The server; `scripts` maps paths to what happens there, `calls` keeps what was asked."""

    def __init__(self, path: Path | None = None, status: Status | None = None) -> None:
        self.pid = 4711
        self.status = status or Status(
            state="ready", pid=self.pid, source_hash=identity.source_hash(), prefix=sys.prefix
        )
        self.busy = False
        self.refusals = 0
        """While this is above 0, it has too many requests."""
        self.retry_after: str | None = "1"
        self.calls: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.scripts: dict[str, Script | list[Event]] = {
            "/v1/generate": story(" upon", " a", " time"),
            "/v1/load": [Loaded(model=ModelInfo(name="tiny", source="tiny", loaded=True)), Done()],
            "/v1/score": _score,
            "/v1/batch": batch,
        }
        self.answers: dict[str, Any] = {
            "/v1/models": {
                "data": [
                    {
                        "id": "storyteller",
                        "gpt_notebook": encode(ModelInfo(name="storyteller", source="/bundled", loaded=True)),
                    }
                ]
            },
            "/v1/tokenize": {"tokens": [encode(token("Once", None))]},
            "/v1/next": {"tokens": [encode(token(" upon")), encode(token(" a", -2.0))]},
            "/v1/unload": {},
            "/v1/cancel": {"cancelled": 2},
        }
        kernel = self
        if path:
            path.unlink(missing_ok=True)

        class Handler(_Handler):
            model_kernel = kernel

        self._server = _UnixHTTPServer(str(path), Handler) if path else _HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"unix:{path}" if path else f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def requests(self, path: str) -> list[dict[str, Any]]:
        return [body for called, body, _ in self.calls if called == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def serving(directory: RuntimeDirectory, status: Status | None = None) -> Iterator[FakeModelKernel]:
    """A fake that is found where the launcher looks."""
    directory.create()
    # In one go: whoever waits for it would take a file that is empty yet for a damaged one, and put a token of its own there.
    draft = directory.path / f".token-of-{os.getpid()}"
    draft.write_text(TOKEN)
    draft.chmod(0o600)
    draft.rename(directory.path / "token")
    kernel = FakeModelKernel(directory.socket, status)
    directory.write_address(kernel.address)
    try:
        yield kernel
    finally:
        kernel.close()


def batch(stream: Stream, body: dict[str, Any]) -> None:
    """Say " upon a time" to every prompt, the last one first."""
    stream.send(BatchStarted(id="1", model=body["model"], fingerprint="f"))
    for index in reversed(range(len(body["prompts"]))):
        stream.send(row(index, body))
    stream.send(Done())


def row(index: int, body: dict[str, Any], *texts: str) -> RowDone:
    """What is said to a prompt of a batch."""
    tokens = tuple(token(text) for text in texts or (" upon", " a", " time"))
    usage = Usage(prompt_tokens=1, completion_tokens=len(tokens))
    sample = RowSample(tokens=tokens, finish_reason="length", usage=usage)
    options = SamplingOptions(seed=7, n=body["options"]["n"])
    return RowDone(
        index=index,
        prompt=body["prompts"][index],
        prompt_token_ids=(5,),
        options=options,
        samples=(sample,) * options.n,
        timing=Timing(queued=0, first_token=0.01, total=0.1),
    )


def _score(stream: Stream, body: dict[str, Any]) -> None:
    """Give every character of a continuation, or of a text after its first, a logprob of -1."""
    for index, prompt in enumerate(body["prompts"]):
        if body["continuations"] is None:
            tokens = (token(prompt[0], None), *(token(letter) for letter in prompt[1:]))
        else:
            tokens = tuple(token(letter) for letter in body["continuations"][index])
        stream.send(Scored(score=TextScore(tokens=tokens, logprob=sum(each.logprob or 0.0 for each in tokens))))
    stream.send(Done())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model_kernel: FakeModelKernel

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        if self.headers["Transfer-Encoding"] == "chunked":
            self._answer({"data": b"".join(self._chunks()).decode()})
        else:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, body: dict[str, Any]) -> None:
        kernel = self.model_kernel
        kernel.calls.append((self.path, body, dict(self.headers)))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._json(401, _error("invalid_api_key", "that token is not right"))
        elif self.path == "/health":
            self._json(200 if kernel.status.state == "ready" else 503, encode(kernel.status))
        elif self.path == "/v1/stop":
            self._stop(force=body["force"])
        elif kernel.refusals:
            self._refuse()
        elif (path := self.path.partition("?")[0]) in kernel.answers:
            answer = kernel.answers[path]
            answer = answer(body) if callable(answer) else answer
            self._json(answer.get("error", {}).get("status", 200), answer)
        else:
            self._follow(kernel.scripts[self.path], body)

    def _refuse(self) -> None:
        after = self.model_kernel.retry_after
        headers = {} if after is None else {"Retry-After": after}
        self._json(429, _error("rate_limit_exceeded", "64 requests are running or waiting: try again"), headers)

    def _stop(self, *, force: bool) -> None:
        if self.model_kernel.busy and not force:
            self._json(409, _error("model_kernel_busy", "2 requests are running"))
            return
        self._json(200, {})
        threading.Thread(target=self.model_kernel.close).start()

    def _follow(self, script: Script | list[Event], body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        stream = Stream(self)
        if callable(script):
            script(stream, body)
        else:
            stream.send(*script)
        with contextlib.suppress(OSError):
            stream.end()
        self.close_connection = True

    def _json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "type": "", "param": None}}


@pytest.fixture
def settings(directories_of_their_own: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of the environment, with nothing in it but directories of the test's own."""
    for name in os.environ:
        kept = name in ("GPT_NOTEBOOK_RUNTIME_DIR", "GPT_NOTEBOOK_HOME")
        if name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") or (name.startswith("GPT_NOTEBOOK_") and not kept):
            monkeypatch.delenv(name)
    return Settings.from_environment()


@pytest.fixture
def remote() -> Iterator[FakeModelKernel]:
    """One at an address of its own, as on another machine."""
    kernel = FakeModelKernel()
    yield kernel
    kernel.close()


@pytest.fixture
def model_kernel(settings: Settings) -> Iterator[FakeModelKernel]:
    with serving(RuntimeDirectory.of(settings)) as kernel:
        yield kernel
