"""The HTTP server of the model kernel: where it listens, who may connect, how uvicorn is set up.

We bind the local socket ourselves: uvicorn would make one that everybody may use.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import struct
from collections.abc import Collection, Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gpt_notebook.model_kernel.app import ModelKernel, create_app
from gpt_notebook.runtime import RuntimeDirectory

logger = logging.getLogger("gpt_notebook.model_kernel")

KEEP_ALIVE_SECONDS = 75
"""Longer than any client keeps an idle connection, so that none is closed while a request is on its way."""
LEAVING_SECONDS = 3
"""How long answers that are being written may still take when the server leaves."""


def build(
    kernel: ModelKernel, *, token: str, hosts: Collection[str] | None, tls: ssl.SSLContext | None = None
) -> uvicorn.Server:
    """Return the server of a model kernel; `token` and `hosts` are what `Guard` asks for."""
    config = uvicorn.Config(
        create_app(kernel, token=token, hosts=hosts),
        http=OwnUsersOnly,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=LEAVING_SECONDS,
    )
    config.load()
    config.ssl = tls
    return Server(config)


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, which would end the process before it has tidied up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield


@contextlib.contextmanager
def local_listener(runtime: RuntimeDirectory) -> Iterator[tuple[socket.socket, str]]:
    """Yield a listening socket that only this user can reach, and its address.

    Whoever calls this holds the server lock, so a socket file that is there already is a leftover.
    """
    if not runtime.socket_fits:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"
        return
    if runtime.socket.exists():
        logger.warning("the model kernel before this one left without a word: it was killed, or memory ran out")
        runtime.socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        before = os.umask(0o177)
        try:
            listener.bind(str(runtime.socket))
        finally:
            os.umask(before)
        listener.listen(128)
        ours = runtime.socket_identity()
        try:
            yield listener, f"unix:{runtime.socket}"
        finally:
            # Where somebody has deleted the directory, it may be a successor's by now.
            if runtime.socket_identity() == ours:
                runtime.socket.unlink(missing_ok=True)


def hosts_of(address: str) -> set[str] | None:
    """Return the `Host` values of a local address; None for a Unix socket, which no web page can reach."""
    return None if address.startswith("unix:") else {address.removeprefix("http://")}


class OwnUsersOnly(HttpToolsProtocol):
    """uvicorn's HTTP, which also hangs up on other users of this machine."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let the user in to whom this process belongs."""
        # Also one that is hung up on is made first: uvicorn will be told that it is lost.
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family == socket.AF_UNIX and _peer_uid(peer) not in (os.getuid(), None):
            transport.abort()


def _peer_uid(peer: socket.socket) -> int | None:
    """Return the user at the other end of a Unix socket, or None where the system doesn't tell (the mode protects it)."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)
