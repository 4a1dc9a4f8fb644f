"""Reading the model kernel's log: its end, and what is added."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from gpt_notebook.errors import InvalidRequest

POLL_SECONDS = 0.2


def read(path: Path, *, lines: int, follow: bool = False) -> Iterator[str]:
    """Yield the last lines of a log; with `follow` then what is added, also after it was rotated, without an end.

    Raises:
        InvalidRequest: there is no log.
    """
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        message = f"there is no log at {path}: no model kernel has run here yet"
        raise InvalidRequest(message) from None
    try:
        yield "".join(deque(file, maxlen=lines))
        while follow:
            if text := file.read():
                yield text
            elif path.exists() and path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                file.close()
                file = path.open(encoding="utf-8", errors="replace")
            else:
                time.sleep(POLL_SECONDS)
    finally:
        file.close()
