"""Arrays as bytes: shape and dtype in headers, then the elements as they are computed, none of them copied here.

A body that cannot be completed is cut short, so that its length gives it away; nothing stands in for what is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gpt_notebook.attention_protocol import DTYPE, DTYPE_HEADER, ITEM_BYTES, SHAPE_HEADER
from gpt_notebook.errors import GptNotebookError
from gpt_notebook.model_kernel.event_stream import ClosingStream, while_connected
from gpt_notebook.model_kernel.interface import ArrayItem, Shape

logger = logging.getLogger(__name__)

PIECE_BYTES = 262_144
"""What is handed to the socket at a time: about as much as it takes at once. Others are served in between, and a slow
line is known from a dead one by each piece that gets through."""


async def array_response(request: Request, array: AsyncGenerator[ArrayItem]) -> ArrayStream:
    """Return the response that sends an engine's array: its shape first, then blocks of its elements.

    A block must stay as it is after it was yielded, because the socket may still read from it.

    Raises:
        GptNotebookError: what happened before the first block.
        ClientDisconnect: nobody waited for it any more.
    """
    shape, first = await while_connected(request, _beginning(array))
    return ArrayStream(shape, _pieces(first, array))


async def _beginning(array: AsyncGenerator[ArrayItem]) -> tuple[Shape, memoryview]:
    """Return the shape and the first block; an empty array has none."""
    shape = await anext(array)
    assert isinstance(shape, tuple)  # noqa: S101 - the interface of the engine
    first = await anext(array, memoryview(b""))
    return shape, memoryview(first)  # type: ignore[arg-type] # only the first item is a shape


async def _pieces(first: memoryview, blocks: AsyncGenerator[ArrayItem]) -> AsyncGenerator[memoryview]:
    """Yield the blocks in pieces of bytes.

    Raises:
        _CutShort: there are no more, though there should be.
    """
    async with contextlib.aclosing(blocks):
        for piece in _cut(first):
            yield piece
            await asyncio.sleep(0)
        try:
            async for block in blocks:
                for piece in _cut(memoryview(block)):  # type: ignore[arg-type] # only the first item is a shape
                    yield piece
                    await asyncio.sleep(0)
        except GptNotebookError as error:
            logger.warning("an array was cut short: %s", error)
            raise _CutShort from error
        except Exception as error:
            logger.exception("an array was cut short")
            raise _CutShort from error


def _cut(block: memoryview) -> list[memoryview]:
    """Return a block of any shape as pieces of bytes."""
    if not block.nbytes:
        return []
    data = block.cast("B")
    return [data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)]


class _CutShort(Exception):  # noqa: N818 - the name says what happened
    """The rest of a body will never come; the log says why."""


class ArrayStream(ClosingStream):
    """A body of known length."""

    def __init__(self, shape: Shape, pieces: AsyncGenerator[memoryview]) -> None:
        """Take the lengths of the axes, and the generator of what they announce."""
        headers = {
            SHAPE_HEADER: ",".join(str(length) for length in shape),
            DTYPE_HEADER: DTYPE,
            "Content-Length": str(math.prod(shape) * ITEM_BYTES),
        }
        super().__init__(pieces, media_type="application/octet-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the array, or as much of it as there is: the server hangs up after a body that is too short."""
        with contextlib.suppress(_CutShort):
            await super().__call__(scope, receive, send)
