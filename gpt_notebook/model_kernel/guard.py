"""Who may ask the model kernel, and how much: the checks before any route, as one piece of ASGI middleware.

On every path a bearer token, compared in constant time. Over TCP, where a web page could reach us, also an exact list of
hosts (against DNS rebinding) and no `Origin` at all (against cross-site requests). Bodies are read under a cap, but for
data, which their route reads piece by piece under a cap of its own.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpt_notebook.errors import (
    AuthenticationFailed,
    GptNotebookError,
    InvalidRequest,
    PayloadTooLarge,
    RequestForbidden,
)
from gpt_notebook.job_protocol import DATA_PATH
from gpt_notebook.settings import MIB

JSON_TYPES = ("application/json",)
DATA_TYPES = ("application/jsonl", "application/x-ndjson", *JSON_TYPES)
"""Of lines of JSON. Like JSON's own, none of them is one that a web page may send without asking first."""


def error_response(error: GptNotebookError) -> JSONResponse:
    """Return an error in OpenAI's shape; one that passes says when to try again."""
    headers = {"Retry-After": "1"} if error.status in (429, 503) else None
    return JSONResponse({"error": error.to_json()}, error.status, headers)


class Guard:
    """Lets through what may pass, and answers the rest."""

    def __init__(self, app: ASGIApp, *, token: str, hosts: Collection[str] | None, max_body: int) -> None:
        """Protect an app.

        Args:
            app: what is behind the guard.
            token: the secret that every request must carry.
            hosts: the exact `Host` values that are us; None on a Unix socket, which no web page can reach.
            max_body: the largest body in bytes.

        Raises:
            ValueError: the token is empty, so that everybody would have it.
        """
        if not token:
            message = "a model kernel needs a token"
            raise ValueError(message)
        self._app = app
        self._token = token.encode()
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            streams = scope["path"] == DATA_PATH
            self._check(Headers(scope=scope), scope["method"], streams=streams)
            passed_on = receive if streams else _replay(await self._read(receive), receive)
        except GptNotebookError as error:
            await error_response(error)(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._app(scope, passed_on, send)

    def _check(self, headers: Headers, method: str, *, streams: bool) -> None:
        if self._hosts is not None:
            if (host := headers.get("host", "").lower()) not in self._hosts:
                message = (
                    f"this is not {host!r}: use one of {', '.join(sorted(self._hosts))}, or start with --allow-host"
                )
                raise RequestForbidden(message)
            if "origin" in headers:
                message = "requests from web pages are refused"
                raise RequestForbidden(message)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
            message = "the token is missing or wrong: send the one of the model kernel as  Authorization: Bearer TOKEN  (set GPT_NOTEBOOK_TOKEN)"
            raise AuthenticationFailed(message)
        types = DATA_TYPES if streams else JSON_TYPES
        if method == "POST" and headers.get("content-type", "").partition(";")[0].strip() not in types:
            message = f"the body must be {'lines of ' if streams else ''}JSON: send  Content-Type: {types[0]}"
            raise InvalidRequest(message)
        if streams:
            return
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._max_body:
            raise self._too_large()

    async def _read(self, receive: Receive) -> bytes:
        """Return the whole body; a chunked one has no length to check beforehand."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise self._too_large()
            if not message.get("more_body"):
                return bytes(body)

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"the request is larger than {self._max_body / MIB:g} MiB: send less at once")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that has been read already, and then what really comes."""
    pending = [True]

    async def replayed() -> Message:
        if pending:
            pending.clear()
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replayed
