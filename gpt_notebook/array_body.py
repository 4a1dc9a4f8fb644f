"""An array as it comes in: its shape and dtype in headers, its elements as the body, read to where they stay."""

from __future__ import annotations

import http.client
import math
from typing import TYPE_CHECKING, Any

from gpt_notebook.attention_protocol import DTYPE, DTYPE_HEADER, ITEM_BYTES, SHAPE_HEADER

if TYPE_CHECKING:
    import numpy as np


def read_array(response: http.client.HTTPResponse) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """Return the array of an answer, or None where the answer is no such array.

    Raises:
        IncompleteRead: it ends before the array does.
    """
    shape = _shape(response.getheader(SHAPE_HEADER))
    if shape is None or response.getheader(DTYPE_HEADER) != DTYPE:
        return None
    if response.length != math.prod(shape) * ITEM_BYTES:
        return None
    import numpy as np

    array = np.empty(shape, "<f4")
    _fill(array.reshape(-1).view(np.uint8).data, response)
    return array.astype(np.float32, copy=False)


def _shape(header: str | None) -> tuple[int, ...] | None:
    """Return the lengths of the axes; "" is the shape of a single number."""
    lengths = header.split(",") if header else []
    if header is None or not all(length.isdecimal() for length in lengths):
        return None
    return tuple(map(int, lengths))


def _fill(buffer: memoryview, response: http.client.HTTPResponse) -> None:
    filled = 0
    while filled < len(buffer):
        count = response.readinto(buffer[filled:])
        if not count:
            raise http.client.IncompleteRead(bytes(buffer[:0]), len(buffer) - filled)
        filled += count
