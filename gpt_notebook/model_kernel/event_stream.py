"""Server-sent events: one event a line, and the end of the request when nobody reads any more.

Every answer that takes its time is here: `ClosingStream` for whatever is sent piece by piece, `while_connected` for what
is waited for before anything is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, ClassVar, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from gpt_notebook.errors import GptNotebookError
from gpt_notebook.protocol import Failed, encode_event

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

SLOW_READER_SECONDS = 30.0
"""A client that takes nothing for this long is gone."""
SIGN_OF_LIFE_SECONDS = 5.0
"""How long a stream may be silent; our client gives up after a multiple of it."""
SIGN_OF_LIFE = b": still here\n\n"
"""A comment, which clients of server-sent events ignore."""


class ClosingStream(StreamingResponse):
    """A response whose generator is closed as soon as its client has left, or takes nothing any more."""

    sign_of_life: ClassVar[bytes | None] = None
    """What is sent after a silence; None where nothing may come between the pieces."""

    def __init__(self, pieces: AsyncGenerator[bytes | memoryview], *, media_type: str, headers: dict[str, str]) -> None:
        """Take the generator of what is to be sent, and what comes before it."""
        self._pieces = pieces
        super().__init__(pieces, media_type=media_type, headers={"Cache-Control": "no-store", **headers})

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - the interface of ASGI
        receive: Receive,
        send: Send,
    ) -> None:
        """Send the stream, until its end or until the client has left."""
        now = asyncio.get_running_loop().time
        last = now()

        async def send_in_time(message: Message) -> None:
            nonlocal last
            async with asyncio.timeout(SLOW_READER_SECONDS):
                await send(message)
            last = now()

        async def live(sign: bytes) -> None:
            while True:
                await asyncio.sleep(last + SIGN_OF_LIFE_SECONDS - now())
                if now() >= last + SIGN_OF_LIFE_SECONDS and not sending.done():
                    await send_in_time({"type": "http.response.body", "body": sign, "more_body": True})

        sending = asyncio.create_task(self.stream_response(send_in_time))
        others = {asyncio.create_task(_disconnected(receive))}
        if self.sign_of_life is not None:
            others.add(asyncio.create_task(live(self.sign_of_life)))
        try:
            await asyncio.wait({sending, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, *others):
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            async with contextlib.aclosing(self._pieces):
                # A reader that was too slow is treated like one that has left: there is nobody to tell.
                with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                    await sending


class EventStream(ClosingStream):
    """Server-sent events, never silent for long."""

    sign_of_life = SIGN_OF_LIFE

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes]) -> None:
        """Take the first chunk, which was waited for before the status was decided, and the generator of the others."""
        super().__init__(_chain(first, rest), media_type="text/event-stream", headers={})


async def stream(request: Request, events: AsyncGenerator[Any], *, in_thread: bool = False) -> Response:
    """Return the response that sends an engine's events as they come.

    A request that fails before its first event is an error response; later on the error is the last event.

    Args:
        request: who asked.
        events: the events, each of a class that has a `type`; or lists of them, each sent as one piece.
        in_thread: whether events are written in a thread, because one may be megabytes and nobody else should wait.

    Raises:
        GptNotebookError: what happened before the first event.
        ClientDisconnect: nobody waited for it any more.
    """
    first = await while_connected(request, anext(events))
    numbers = itertools.count()

    def chunk(item: Any) -> bytes:
        events = item if isinstance(item, list) else [item]
        return b"".join(sse_data(encode_event(event, next(numbers))) for event in events)

    async def chunk_of(event: Any) -> bytes:
        return await asyncio.to_thread(chunk, event) if in_thread else chunk(event)

    async def rest() -> AsyncGenerator[bytes]:
        async with contextlib.aclosing(events):
            async for event in events:
                yield await chunk_of(event)

    return EventStream(await chunk_of(first), to_its_end(rest(), lambda error: chunk(Failed(error=error.to_json()))))


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(request: Request, answer: Awaitable[Result]) -> Result:
    """Return what is waited for, or give it up as soon as its client has left.

    Raises:
        ClientDisconnect: nobody waits for the answer any more.
    """
    answering = asyncio.ensure_future(answer)
    leaving = asyncio.create_task(_disconnected(request.receive))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return answering.result()
        raise ClientDisconnect
    finally:
        leaving.cancel()
        if answering.cancel():
            with contextlib.suppress(asyncio.CancelledError):
                await answering


async def to_its_end(
    chunks: AsyncGenerator[bytes], failed: Callable[[GptNotebookError], bytes]
) -> AsyncGenerator[bytes]:
    """Yield the chunks of a stream; what goes wrong in mid-stream becomes the last one."""
    try:
        async for chunk in chunks:
            yield chunk
    except GptNotebookError as error:
        yield failed(error)
    except Exception as error:
        logger.exception("a stream failed")
        yield failed(unexpected(error))
    finally:
        await chunks.aclose()


def unexpected(error: Exception) -> GptNotebookError:
    """Return what to say of an error that is a mistake of ours."""
    return GptNotebookError(f"the model kernel failed ({type(error).__name__}): see  gpt-notebook logs")


def sse_data(data: Any) -> bytes:
    """Return one server-sent event that carries JSON; what that has no number for, such as an infinity, is null."""
    try:
        text = json.dumps(data, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(data), allow_nan=False)
    return f"data: {text}\n\n".encode()


def _finite(data: Any) -> Any:
    """Return what becomes JSON with None in the place of infinities and of what is not a number."""
    match data:
        case dict():
            return {name: _finite(value) for name, value in data.items()}
        case list() | tuple():
            return [_finite(value) for value in data]
        case float() if not math.isfinite(data):
            return None
    return data


async def _chain(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with contextlib.aclosing(rest):
        yield first
        async for chunk in rest:
            yield chunk
