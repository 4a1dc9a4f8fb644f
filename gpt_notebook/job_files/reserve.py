"""Room that is kept in a job's directory for the last word: the event that says that the disk is full needs some itself.

A file that holds nothing. When the disk is full it is made smaller, by halves, and the space serves those few lines that
must be written; the next attempt makes it anew, as soon as there is room.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

NAME = ".reserve"
BYTES = 256 * 1024
LEAST = 4096
"""A block of most disks: less would free nothing."""


def make(directory: Path) -> None:
    """Keep room, as far as there is any."""
    path = directory / NAME
    with contextlib.suppress(OSError):
        if not path.exists() or path.stat().st_size < BYTES:
            # Random, as zeros would take no room on disks that compress.
            path.write_bytes(os.urandom(BYTES))


def release(directory: Path) -> bool:
    """Give some of the room back; returns whether there was any."""
    path = directory / NAME
    try:
        size = path.stat().st_size
        if size < LEAST:
            return False
        os.truncate(path, size // 2 if size >= 2 * LEAST else 0)
    except OSError:
        return False
    return True
