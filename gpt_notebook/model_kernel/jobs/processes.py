"""A job's process: started in a session of its own, so that nothing that happens to us happens to it, and ended when it hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

import psutil

from gpt_notebook import identity
from gpt_notebook.job_files import lock
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.disk import opened
from gpt_notebook.settings import ENVIRONMENT_PREFIX, HUB_TOKENS, Settings

LOG_TAIL = 8192
"""Bytes of a log in which its last line is looked for."""


class Process(Protocol):
    """A process that has been started, as `subprocess.Popen` is one."""

    def poll(self) -> int | None:
        """Return its exit code, a signal's number negated; None while it runs."""
        ...


Start = Callable[[JobDirectory], Process]
"""Starts the process of a job."""


def starter(settings: Settings) -> Start:
    """Return what starts processes that train as these settings have it."""

    def start(directory: JobDirectory) -> Process:
        log = os.open(directory.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return subprocess.Popen(
                command(directory),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory.path,
                env=environment(settings),
                start_new_session=True,
            )
        finally:
            os.close(log)

    return start


def command(directory: JobDirectory) -> list[str]:
    """Return what trains; -P keeps the working directory, in which others could write, out of its imports."""
    return [sys.executable, "-P", "-m", "gpt_notebook.training", str(directory.path)]


def environment(settings: Settings) -> dict[str, str]:
    """Return our environment without secrets, and of our settings those that a job needs."""
    values = {"HOME": settings.home_directory(), "THREADS": settings.threads, "DEVICE": settings.device}
    result = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    result |= {ENVIRONMENT_PREFIX + name: str(value) for name, value in values.items() if value is not None}
    home = identity.PACKAGE.parent
    if home.name not in ("site-packages", "dist-packages"):
        # A checkout, which may have been found by a working directory that a job doesn't have.
        result["PYTHONPATH"] = os.pathsep.join(filter(None, [str(home), os.environ.get("PYTHONPATH")]))
    # A job reads files that are there, and asks nobody for more.
    return {name: value for name, value in result.items() if name not in HUB_TOKENS}


def end(directory: JobDirectory, *, force: bool) -> bool:
    """Send a signal to a job's process, which holds its lock, and to those that it has started; False where that is not certain.

    A pid alone says nothing: it may be somebody else's by now. The lock must be held, by a process that began when
    the lock says, and that is the job's: others hold it, too, while they write or move something.
    """
    holder = lock.holder(directory)
    if holder is None or not holder.is_job or holder.pid is None or holder.pid == os.getpid():
        return False
    number = signal.SIGKILL if force else signal.SIGTERM
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        process = psutil.Process(holder.pid)
        if force and os.getpgid(holder.pid) == holder.pid:
            os.killpg(holder.pid, number)
        else:
            process.send_signal(number)
        return True
    return False


def last_words(directory: JobDirectory, code: int | None) -> str:
    """Return why a process is gone, as far as can be told: by its exit code, if that is known, and the last line of its log."""
    if code == -signal.SIGKILL:
        return "it was killed (signal 9): out of memory?"
    line = _last_line(directory)
    if code is not None and code < 0:
        return f"it was ended by {signal.Signals(-code).name}" + (f": {line}" if line else "")
    return line or "it left no word" + ("" if code is None else f"; exit code {code}")


def _last_line(directory: JobDirectory) -> str:
    try:
        with opened(directory.log) as file:
            file.seek(max(file.seek(0, os.SEEK_END) - LOG_TAIL, 0))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(text.splitlines()) if line.strip()), "")
