"""What a job is told: numbered commands, appended by anybody at any time, obeyed by the job's process between two steps.

A command that was obeyed is acknowledged by a `CommandDone` among the events, which has its number.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from gpt_notebook.job_files import lines, reserve
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.disk import Disk, sync
from gpt_notebook.job_protocol import CommandName

SETTINGS: tuple[CommandName, ...] = ("learning_rate", "max_steps")
"""Commands that hold for what comes after them, whoever has read them."""


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


def refusal(command: CommandName, value: float | None, *, step: int) -> str | None:
    """Return why a command can't be obeyed after so many steps; None: it can."""
    if command != "max_steps" or value is None or value > step:
        return None
    return f"step {step} is done: ask for more than {step} steps, or stop it, which keeps what there is"


def overruled(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[CommandName]:
    """Return which of `SETTINGS` hold no more, as an attempt chose otherwise `now` than the one `before` it, if there was one."""
    return [name for name in SETTINGS if name in before and before[name] != now.get(name)]


def read(directory: JobDirectory, *, after: int = 0) -> list[Command]:
    """Return the commands behind that of a number, in their order; what no version writes, or only a later one, is left out."""
    found = []
    for line, _ in lines.whole(directory.control, 0):
        said = lines.parsed(line)
        if said is None or lines.number_of(said) <= after:
            continue
        after = lines.number_of(said)
        value, when = said.get("value"), said.get("time", 0.0)
        if said.get("command") in get_args(CommandName) and (value is None or _is_amount(value)):
            when = float(when) if _is_amount(when) else 0.0
            found.append(Command(number=after, command=said["command"], value=value, time=when))
    return found


def _is_amount(value: Any) -> bool:
    """Whether a value is a number that one can count with, and not below 0."""
    return type(value) in (int, float) and 0 <= value <= sys.float_info.max
