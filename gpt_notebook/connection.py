"""Where a request goes and how its answer comes in: addresses, HTTP connections, server-sent events.

The standard library's HTTP, over a Unix socket or TCP. Knows nothing of what is said.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gpt_notebook.errors import InvalidRequest

READ_BYTES = 65536

KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds of silence before the first question (Linux's name and macOS's), seconds between questions, how many."""


@dataclass(frozen=True)
class Target:
    """One end of the line: a Unix socket's path, or a URL."""

    socket_path: str | None = None
    url: SplitResult | None = None

    @classmethod
    def of(cls, address: str) -> Target:
        """Read an address, `unix:<path>` or `http(s)://<host>:<port>`.

        Raises:
            InvalidRequest: that is no such address.
        """
        if address.startswith("unix:"):
            return cls(socket_path=address.removeprefix("unix:"))
        return cls(url=_split(address))

    @property
    def prefix(self) -> str:
        """What every path begins with, for a model kernel behind someone's web server."""
        return "" if self.url is None else self.url.path.rstrip("/")

    @property
    def private(self) -> bool:
        """Whether what is sent can't be read on the way: it stays on this machine, or it is encrypted."""
        url = self.url
        return url is None or url.scheme == "https" or url.hostname in ("127.0.0.1", "::1", "localhost")

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """Return a connection that is not open yet."""
        if self.url is None:
            return _UnixConnection(str(self.socket_path), timeout)
        kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
        return kind(str(self.url.hostname), self.url.port, timeout=timeout)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def origin(address: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of an http(s) address: what a token is bound to.

    Raises:
        InvalidRequest: that is no such address.
    """
    url = _split(address)
    return url.scheme, url.hostname, url.port or {"http": 80, "https": 443}[url.scheme]


def _split(address: str) -> SplitResult:
    try:
        url = urlsplit(address)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        valid = False
    if not valid:
        message = f"{address!r} is not the address of a model kernel: give one such as http://127.0.0.1:8642"
        raise InvalidRequest(message, param="url")
    if url.username is not None or url.password is not None:
        message = "an address must not hold a secret: leave out what is before the @ and set GPT_NOTEBOOK_TOKEN"
        raise InvalidRequest(message, param="url")
    # Other clients want an address that ends in /v1; whoever gives us theirs means the same model kernel.
    return url._replace(path=url.path.rstrip("/").removesuffix("/v1"))


def keep_alive(connected: socket.socket) -> None:
    """Have the operating system find out within a minute that another machine is gone: an answer may take any time."""
    if connected.family == socket.AF_UNIX:
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None,
    headers: dict[str, str],
) -> None:
    """Send a request, as much of it as the other side takes; a body in pieces goes as it comes, of any length."""
    # A model kernel that refuses a body answers and hangs up before it has read all of it; the answer is worth reading.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request(method, path, body, headers)


def data_lines(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """Yield the JSON of each `data:` line of a server-sent event stream; comments and blank lines say nothing."""
    pending = b""
    while chunk := response.read1(READ_BYTES):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield json.loads(line[len(b"data:") :])
