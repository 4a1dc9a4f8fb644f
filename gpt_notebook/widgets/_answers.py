"""What a panel's methods return, as it goes to the browser: JSON and binary buffers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Answer = Mapping[str, Any] | tuple[Any, Iterable[Any]] | None
"""A result, or a result and its buffers; a result is a mapping or a message of the protocol, and None is an empty one."""


def split(answer: Any) -> tuple[Any, list[memoryview]]:
    """Return a result as JSON, and its buffers as bytes."""
    result, buffers = answer if isinstance(answer, tuple) else (answer, ())
    return plain({} if result is None else result), [_bytes(each) for each in buffers]


def plain(value: Any) -> Any:
    """Return a value as what JSON has; numbers that it doesn't have, such as NaN, are null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case np.generic() | np.ndarray():
            return plain(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    message = f"a panel cannot send {type(value).__name__} to the browser"
    raise TypeError(message)


def _bytes(buffer: Any) -> memoryview:
    """Return an array or bytes as bytes, little-endian and in C order."""
    if isinstance(buffer, np.ndarray):
        little = buffer.astype(buffer.dtype.newbyteorder("<"), copy=False)
        return np.ascontiguousarray(little).reshape(-1).view(np.uint8).data
    return memoryview(buffer).cast("B")
