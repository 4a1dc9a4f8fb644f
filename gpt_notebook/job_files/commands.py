"""What a job is told: numbered commands, appended by anybody at any time, obeyed by the job's process between two steps.

A command that was obeyed is acknowledged by a `CommandDone` among the events, which has its number.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import time
from dataclasses import dataclass
from typing import get_args

from gpt_notebook.job_files import lines, reserve
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.disk import Disk, sync
from gpt_notebook.job_protocol import CommandName


@dataclass(frozen=True, kw_only=True)
class Command:
    """One of them."""

    number: int
    command: CommandName
    value: float | None
    time: float


def append(directory: JobDirectory, command: CommandName, value: float | None = None) -> int:
    """Write a command down, on the disk when this returns, and return its number: 1 for the first.

    Raises:
        OSError: it could not be written, also not into the reserve.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(directory.control, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before, is_torn = lines.last(descriptor)
        number = (0 if before is None else lines.number_of(before)) + 1
        said = {"number": number, "command": command, "value": value, "time": time.time()}
        line = json.dumps(said, allow_nan=False).encode() + b"\n"
        make_room = functools.partial(reserve.release, directory.path)
        lines.append(descriptor, b"\n" + line if is_torn else line, make_room=make_room)
        sync(descriptor)
        if number == 1:
            Disk().sync(directory.path)
    finally:
        os.close(descriptor)
    return number


def read(directory: JobDirectory, *, after: int = 0) -> list[Command]:
    """Return the commands behind that of a number, in their order; those of a later version are left out."""
    found = []
    for line, _ in lines.whole(directory.control, 0):
        said = lines.parsed(line)
        if said is None or lines.number_of(said) <= after:
            continue
        after = lines.number_of(said)
        if said.get("command") in get_args(CommandName):
            value, when = said.get("value"), said.get("time")
            found.append(Command(number=after, command=said["command"], value=value, time=when or 0.0))
    return found
