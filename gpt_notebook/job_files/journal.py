"""A job's events: appended by one process at a time, read by any number.

An event is on its way to the disk once it is written, so that a process that is killed loses none; those that change what
a job is are on the disk when `write` returns. Of the others a power cut may take the last ones, but none from before a
checkpoint; their numbers come again then, to readers that have ended with the power, too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import json
import math
import os
import re
import time
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

from gpt_notebook.job_events import JobEvent, Noted, Probed, Recorded, StepDone, Validated
from gpt_notebook.job_files import lines, reserve
from gpt_notebook.job_files.disk import NO_ROOM, Disk, opened, sync
from gpt_notebook.protocol import decode

KNOWN: dict[str, type[Recorded]] = {cls.type: cls for cls in typing.get_args(JobEvent) if issubclass(cls, Recorded)}
PASSING = (StepDone, Validated, Probed, Noted)
"""Events that come often, and after which a job is what it was."""
LARGEST = 2**63 - 1
"""A number that is larger can't have been meant, and no curve has room for it."""

_NUMBER = re.compile(rb'\{"type": "\w+", "number": (\d{1,18}),')
"""How a line begins that was written here."""
_Event = TypeVar("_Event", bound=Recorded)


class Journal:
    """Appends events, for whoever holds the job's lock. It can be used in a `with`, or closed."""

    def __init__(self, path: Path, *, attempt: int | None = None) -> None:
        """Open or make it, and the reserve beside it.

        Args:
            path: `JobDirectory.events`.
            attempt: In which attempt happens what is written; None: in the last there was, 0 before the first.
        """
        self._directory = path.parent
        is_new = not path.exists()
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._number, self._end, self._is_torn = 0, -1, False
        found = self._find_end()
        self.attempt = _attempt(found) if attempt is None else attempt
        reserve.make(self._directory)
        if is_new:
            Disk().sync(self._directory)

    def write(self, cls: type[_Event], **fields: Any) -> _Event:
        """Append an event with its number, attempt and time, and return it.

        Unless it is one of those that come often, it is on the disk when this returns, and may use the reserve when the
        disk is full. JSON has no word for NaN and infinite numbers: they become None.

        Args:
            cls: Its class.
            **fields: What it says.

        Raises:
            OSError: it could not be written, and nothing of it was.
        """
        is_lasting = not issubclass(cls, PASSING)
        with self._alone():
            if os.fstat(self._descriptor).st_size != self._end:
                self._find_end()
            event, line = _encoded(cls, number=self._number + 1, attempt=self.attempt, time=time.time(), **fields)
            self._end = -1
            make_room = functools.partial(reserve.release, self._directory) if is_lasting else _no_room
            lines.append(self._descriptor, b"\n" + line if self._is_torn else line, make_room=make_room)
            self._number, self._end, self._is_torn = event.number, os.fstat(self._descriptor).st_size, False
        if is_lasting:
            self.sync()
        return event

    def sync(self) -> None:
        """Wait until everything that has been written so far is on the disk."""
        try:
            sync(self._descriptor)
        except OSError as error:
            # Some disks look for room only now.
            if error.errno not in NO_ROOM or not reserve.release(self._directory):
                raise
            sync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @staticmethod
    def next_attempt(path: Path) -> int:
        """Return which attempt a process is that begins now: 1 for the first."""
        try:
            with opened(path) as file:
                return _attempt(lines.last(file.fileno())[0]) + 1
        except FileNotFoundError:
            return 1

    def _find_end(self) -> dict[str, Any] | None:
        """See which number comes next: after a process that died, or one that has written meanwhile."""
        found, self._is_torn = lines.last(self._descriptor)
        self._number = max(self._number, 0 if found is None else lines.number_of(found))
        return found

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep two writers apart, so that no number comes twice whoever forgets the job's lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


class Reader:
    """Reads events as they are appended; each `read` gives those that are new."""

    def __init__(self, path: Path, *, after: int = 0) -> None:
        """Begin behind the event of a number; the file need not be there yet."""
        self.number = after
        """Of the last event that was read."""
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[JobEvent]:
        """Give the events that have been written since, up to the last whole line.

        Torn lines are skipped, and types of a later version.
        """
        with contextlib.suppress(OSError):
            if self._path.stat().st_size < self._offset:
                self._offset = 0
        for line, end in lines.whole(self._path, self._offset):
            self._offset = end
            begins = _NUMBER.match(line)
            if begins is not None and int(begins[1]) <= self.number:
                continue
            found = lines.parsed(line)
            if found is None or lines.number_of(found) <= self.number:
                continue
            self.number = found["number"]
            if (event := _decoded(found)) is not None:
                yield event


def read(path: Path, *, after: int = 0) -> Iterator[JobEvent]:
    """Give all events behind that of a number; of a file that isn't there none."""
    return Reader(path, after=after).read()


def read_only(path: Path, kind: type[_Event]) -> Iterator[_Event]:
    """Give the events of one kind; lines of others, of which a long job has many, are not taken apart."""
    name = next(name for name, cls in KNOWN.items() if cls is kind)
    begins = f'{{"type": "{name}",'.encode()
    for line, _ in lines.whole(path, 0):
        found = lines.parsed(line) if line.startswith(begins) else None
        event = None if found is None else _decoded(found)
        if isinstance(event, kind):
            yield event


def _no_room() -> bool:
    return False


def _attempt(found: dict[str, Any] | None) -> int:
    attempt = (found or {}).get("attempt")
    return attempt if type(attempt) is int else 0


def _encoded(cls: type[_Event], **fields: Any) -> tuple[_Event, bytes]:
    """Return an event and its line."""
    event = cls(**fields)
    try:
        return event, _line(event)
    except ValueError:
        event = cls(**_finite(fields))
        return event, _line(event)


def _line(event: Any) -> bytes:
    return json.dumps({"type": event.type, **dataclasses.asdict(event)}, allow_nan=False).encode() + b"\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def _decoded(found: dict[str, Any]) -> JobEvent | None:
    """Return an event; None for one that this version does not know, or that is not what its type says.

    A curve has tens of thousands of them, so those that are plain values take no detour.
    """
    cls: Any = KNOWN.get(str(found.pop("type", None)))
    if cls is None or not all(type(found[name]) in kinds for name, kinds in _kinds(cls) if name in found):
        return None
    if any(type(each) is int and abs(each) > LARGEST for each in found.values()):
        return None
    try:
        if _is_plain(cls):
            with contextlib.suppress(TypeError):
                event: JobEvent = cls(**found)
                return event
        event = decode(cls, found)
    except (TypeError, ValueError, AttributeError, LookupError):
        return None
    return event


@functools.cache
def _kinds(cls: Any) -> list[tuple[str, frozenset[type]]]:
    """Return of which types the values of an event's fields may be in JSON."""
    hints = typing.get_type_hints(cls)
    hints.pop("type")
    return [(name, _kind(hint)) for name, hint in hints.items()]


def _kind(hint: Any) -> frozenset[type]:
    if hint is float:
        return frozenset({float, int})
    if dataclasses.is_dataclass(hint):
        return frozenset({dict})
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return frozenset({list})
    if origin is typing.Literal:
        return frozenset(map(type, arguments))
    if origin in (typing.Union, types.UnionType):
        return frozenset().union(*map(_kind, arguments))
    return frozenset({origin or hint})


@functools.cache
def _is_plain(cls: Any) -> bool:
    """Whether JSON has all of an event's fields as they are."""
    hints = typing.get_type_hints(cls)
    hints.pop("type")
    return not any(dataclasses.is_dataclass(hint) or typing.get_origin(hint) is tuple for hint in hints.values())
