"""Files of lines, a JSON object each: appended to, and cut off anywhere when a process or the power ends.

A line counts once its newline is there. What a dead process has left without one is closed by the next line, and skipped
by every reader unless it happens to be whole. Objects have a `number`, which counts up and never twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gpt_notebook.job_files.disk import NO_ROOM, opened

BLOCK = 64 * 1024


def parsed(line: bytes) -> dict[str, Any] | None:
    """Return the object of a line; None where it is torn, or damaged."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and number_of(found) > 0 else None


def number_of(found: dict[str, Any]) -> int:
    """Return the number of an object; 0 where it has none."""
    number = found.get("number")
    return number if type(number) is int else 0


def last(descriptor: int) -> tuple[dict[str, Any] | None, bool]:
    """Return the last object of a file, and whether the file ends in the middle of a line.

    A last line that lacks nothing but its newline is an object, too: the next line will close it.
    """
    position = os.fstat(descriptor).st_size
    is_torn = position > 0 and os.pread(descriptor, 1, position - 1) != b"\n"
    # The pieces of a line whose beginning is not read yet, the last one first: joined once, however many they are.
    rest: list[bytes] = []
    while position > 0:
        start = max(0, position - BLOCK)
        head, newline, tail = os.pread(descriptor, position - start, start).rpartition(b"\n")
        position = start
        rest.append(tail)
        if not newline and position > 0:
            continue
        # What comes before the first newline of a block may go on before the block.
        before, *lines = head.split(b"\n") if newline else [b""]
        lines.append(b"".join(reversed(rest)))
        rest = [before]
        for line in reversed(lines if position > 0 else [before, *lines]):
            if line and (found := parsed(line)) is not None:
                return found, is_torn
    return None, is_torn


def append(descriptor: int, line: bytes, *, make_room: Callable[[], bool]) -> None:
    """Append a whole line or nothing.

    Args:
        descriptor: A file opened for appending, that nobody else appends to meanwhile.
        line: With its newline.
        make_room: Called when the disk is full; returns whether it is worth trying again.

    Raises:
        OSError: it could not be written.
    """
    end = os.fstat(descriptor).st_size
    left = memoryview(line)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except OSError as error:
            if error.errno in NO_ROOM and make_room():
                continue
            os.ftruncate(descriptor, end)
            raise


def whole(path: Path, offset: int) -> Iterator[tuple[bytes, int]]:
    """Give each whole line of a file from an offset on, and the offset behind it; nothing where there is none that can be read."""
    try:
        file = opened(path)
    except OSError:
        return
    with file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield line, offset
