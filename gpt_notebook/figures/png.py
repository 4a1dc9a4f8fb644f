"""Pixels as a PNG, by the standard library: a picture in a page is no reason to install one for pictures."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, np.dtype[np.uint8]]

INDEXED, RED_GREEN_BLUE_ALPHA = 3, 6
"""Kinds of pixels, by their numbers: https://www.w3.org/TR/png-3/#6Colour-values."""


def png(pixels: Pixels, palette: Pixels | None = None) -> bytes:
    """Return a picture.

    Args:
        pixels: Shape (row, column, channel), red, green, blue and opacity; with a palette (row, column), places in it.
        palette: Up to 256 colours, shape (colour, channel).
    """
    height, width = pixels.shape[:2]
    kind = RED_GREEN_BLUE_ALPHA if palette is None else INDEXED
    # Each line begins with the number of its filter, 0 for none: https://www.w3.org/TR/png-3/#9Filters.
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))]
    if palette is not None:
        chunks += [_chunk(b"PLTE", palette[:, :3].tobytes()), _chunk(b"tRNS", palette[:, 3].tobytes())]
    chunks += [_chunk(b"IDAT", zlib.compress(lines)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def data_url(image: bytes) -> str:
    """Return what stands in a page in the place of a picture's address."""
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
