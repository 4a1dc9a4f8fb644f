"""Whose job it is now.

The operating system lets go of a lock when the process that holds it ends, however it ends. So the lock alone decides; what
its file says of the process is for people, and for signals: after a reboot any process may have that number.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_notebook.job_files.directory import JobDirectory

POLL_SECONDS = 0.002
LOOK_SECONDS = 0.02
"""Far longer than `holder` has a lock that nobody holds."""
MOST_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a job's lock, as far as it can be told."""

    pid: int | None = None
    """Only where it is certain: of a process of this machine that began when the lock's file says."""
    host: str = ""
    since: float | None = None
    """Since when, in seconds since 1970."""
    is_job: bool = False
    """Whether it says that it is the job's process; others hold the lock, too, while they write or move something."""


@contextlib.contextmanager
def hold(directory: JobDirectory, *, wait: float = 0.0, as_job: bool = False) -> Iterator[bool]:
    """Hold the lock; yields False when another process, or another place of this one, still has it after `wait` seconds.

    Args:
        directory: The job's.
        wait: Seconds.
        as_job: Whether this is the job's process, which may be ended by a signal when it hangs.

    Raises:
        OSError: there is no such directory.
    """
    deadline = time.monotonic() + max(wait, LOOK_SECONDS)
    while (descriptor := _taken(directory.lock)) is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if descriptor is None:
        yield False
        return
    held = _Descriptor(descriptor)
    try:
        what = "job" if as_job else "record"
        identity = _identity(os.getpid())
        _write(descriptor, {**identity, "host": socket.gethostname(), "since": time.time(), "what": what})
        yield True
    finally:
        if held.number is not None:
            _write(descriptor, {})
        held.close()


def holder(directory: JobDirectory) -> Holder | None:
    """Return who holds the lock, which may be this process; None when nobody does, whatever the file says."""
    try:
        descriptor = os.open(directory.lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        # Shared, so that two who look do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _described(os.pread(descriptor, MOST_BYTES, 0))
    else:
        return None
    finally:
        os.close(descriptor)


class _Descriptor:
    """An open file that is closed here once, and at once in every forked child."""

    def __init__(self, number: int) -> None:
        self.number: int | None = number
        _held.add(self)

    def close(self) -> None:
        if self.number is not None:
            number, self.number = self.number, None
            os.close(number)


_held: weakref.WeakSet[_Descriptor] = weakref.WeakSet()


def _let_go_of_all() -> None:
    for each in list(_held):
        each.close()


# A process that was forked off would hold the locks, too, and longer than this one lives.
os.register_at_fork(after_in_child=_let_go_of_all)


def _taken(path: Path) -> int | None:
    """Return the descriptor of the lock's file, locked; None when somebody else has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it a moment ago may have deleted or renamed the job: then this would be nobody's lock.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _write(descriptor: int, said: dict[str, Any]) -> None:
    """Say who holds it; on a full disk nobody does, which changes nothing."""
    with contextlib.suppress(OSError):
        text = json.dumps(said).encode()
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, len(text))


def _described(text: bytes) -> Holder:
    try:
        said = json.loads(text)
        host, since, pid = str(said["host"]), float(said["since"]), int(said["pid"])
        is_certain = host == socket.gethostname() and _identity(pid) == {name: said[name] for name in _identity(pid)}
    except (ValueError, TypeError, LookupError, OSError):
        # It is being written, or there was no room to.
        return Holder()
    return Holder(pid=pid if is_certain else None, host=host, since=since, is_job=said.get("what") == "job")


def _identity(pid: int) -> dict[str, Any]:
    """Return what no other process has that ever ran on this machine; where the system doesn't tell, only the number.

    Raises:
        OSError: there is no such process.
    """
    if not Path("/proc/self/stat").exists():
        os.kill(pid, 0)
        return {"pid": pid}
    # The name of a process stands in brackets and may hold anything; its start is the 20th value after that (proc(5)).
    started = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return {"pid": pid, "started": int(started), "boot": boot}
