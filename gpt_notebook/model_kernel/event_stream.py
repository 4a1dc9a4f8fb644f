"""Server-sent events: one event a line, and the end of the request when nobody reads any more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from gpt_notebook.errors import GptNotebookError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

SLOW_READER_SECONDS = 30.0
"""A client that takes nothing for this long is gone."""
SIGN_OF_LIFE_SECONDS = 5.0
"""How long a stream may be silent; our client gives up after a multiple of it."""
SIGN_OF_LIFE = b": still here\n\n"
"""A comment, which clients of server-sent events ignore."""


class EventStream(StreamingResponse):
    """A response whose generator is closed as soon as its client has left, and that is never silent for long."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes]) -> None:
        """Take the first chunk, which was waited for before the status was decided, and the generator of the others."""
        self._rest = rest
        super().__init__(_chain(first, rest), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

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

        async def live() -> None:
            while True:
                await asyncio.sleep(last + SIGN_OF_LIFE_SECONDS - now())
                if now() >= last + SIGN_OF_LIFE_SECONDS and not sending.done():
                    await send_in_time({"type": "http.response.body", "body": SIGN_OF_LIFE, "more_body": True})

        sending = asyncio.create_task(self.stream_response(send_in_time))
        others = {asyncio.create_task(_disconnected(receive)), asyncio.create_task(live())}
        try:
            await asyncio.wait({sending, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, *others):
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            # A reader that was too slow is treated like one that has left: there is nobody to tell.
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await sending
            await self._rest.aclose()


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
    """Return one server-sent event that carries JSON."""
    return f"data: {json.dumps(data)}\n\n".encode()


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
