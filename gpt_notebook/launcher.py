"""Finds, starts and stops the model kernel of this user, machine and Python environment.

Whether one is there is decided by connecting to it, never by a process id or a file that may be left over. Whoever needs
one first starts it, under a lock, in a process session of its own, so that neither an interrupt nor the end of the
notebook reaches it. Knows the model kernel only as a command to run and an address to ask.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Generator

from gpt_notebook import identity
from gpt_notebook.client import Client
from gpt_notebook.errors import (
    AuthenticationFailed,
    ConnectionLost,
    ModelKernelBusy,
    ModelKernelError,
    ModelKernelMismatch,
    ModelKernelNotRunning,
    ModelKernelStartFailed,
    ModelKernelStopping,
    RuntimeDirectoryError,
)
from gpt_notebook.protocol import PROTOCOL_VERSION, Progress, Status, StopRequest
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import Settings

POLL_SECONDS = 0.015
PROGRESS_SECONDS = 0.25
STOP_SECONDS = 15.0
RETRY_SECONDS = 0.1

END_IT = "end it with  gpt-notebook stop --force"

LEAVING = (ModelKernelNotRunning, ModelKernelStopping, ConnectionLost)
"""What a call may meet when the model kernel leaves at that very moment; a new one can be started."""


class OtherToken(ModelKernelStopping):
    """The local model kernel was started with a token that its directory no longer holds; it leaves when it is idle."""


def running(settings: Settings) -> tuple[Client, Status] | None:
    """Return the model kernel that answers, whether it fits this process or not; None when there is none.

    Raises:
        ModelKernelNotRunning: the one that `settings.url` names doesn't answer.
        OtherToken: the local one has another token than its directory.
        ModelKernelError: one is there and gives no answer.
        RuntimeDirectoryError: there is no safe place to look.
    """
    if settings.url is not None:
        client = Client(settings.url, settings.token)
        return client, client.status()
    directory = RuntimeDirectory.of(settings)
    directory.create()
    address = directory.read_address()
    # A port is anybody's once its owner has died: a token goes there only while the owner holds its lock.
    if address is None or (not address.startswith("unix:") and _nobody_serves(directory)):
        return None
    client = Client(address, directory.token())
    try:
        status = client.status()
    except LEAVING:
        return None
    except AuthenticationFailed as error:
        message = (
            f"the model kernel{_process(directory)} was started with another token and leaves when it is idle: {END_IT}"
        )
        raise OtherToken(message) from error
    except ModelKernelError as error:
        message = f"{error.message}, or {END_IT}{_process(directory)}"
        raise ModelKernelError(message) from error
    return None if status.state == "stopping" else (client, status)


def ensure(settings: Settings) -> Client:
    """Return a model kernel that fits this process, started if need be; see `ensuring`."""
    waiting = ensuring(settings)
    while True:
        try:
            next(waiting)
        except StopIteration as end:
            client: Client = end.value
            return client


def ensuring(settings: Settings) -> Generator[Progress, None, Client]:
    """Return a model kernel that fits this process; yields while one is being started.

    Of many processes that ask at the same moment one starts it and all get the same. An idle one of another version is
    replaced.

    Raises:
        ModelKernelMismatch: the one that runs is of another version and busy, remote, or newer than this process.
        ModelKernelStartFailed: it did not come up; says why.
        ModelKernelNotRunning: the one that `settings.url` names doesn't answer.
    """
    found = None
    with contextlib.suppress(OtherToken):  # It is waited for below.
        found = running(settings)
    if found is not None and (reason := misfit(found[1], settings)) is None:
        return found[0]
    if settings.url is not None:
        message = f"the model kernel at {settings.url} {reason}: install the same version of gpt-notebook on both sides"
        raise ModelKernelMismatch(message)
    yield Progress(stage="starting")
    directory = RuntimeDirectory.of(settings)
    deadline = time.monotonic() + settings.start_timeout
    with directory.lock("start", wait=settings.start_timeout) as ours:
        if not ours:
            message = f"another process has been starting a model kernel for {settings.start_timeout:g} s: try again, or end it"
            raise ModelKernelStartFailed(message)
        obstacle = None
        while time.monotonic() < deadline:
            client = None
            try:
                client = _fitting_or_dismissed(settings)
            except OtherToken as error:
                obstacle = error.message
            if client is None and _nobody_serves(directory):
                client = yield from _started(directory, settings, deadline)
            if client is not None:
                return client
            # One is there that does not answer: it is about to come up without us, or about to end.
            time.sleep(RETRY_SECONDS)
            yield Progress(stage="starting")
    message = f"the model kernel{_process(directory)} holds {directory.path}/server.lock and does not answer: {END_IT}"
    raise ModelKernelStartFailed(obstacle or message)


def stop(settings: Settings, *, force: bool = False) -> bool:
    """Stop the model kernel and wait until it is gone; False when there was none.

    By force a local one that doesn't answer is ended too, by a signal.

    Raises:
        ModelKernelBusy: `force` is off, and others use it, or `settings.url` names it, which is there for others.
        ModelKernelError: it was told to leave and stays.
    """
    end_what_hangs = force and settings.url is None
    found = _running_so_far(settings) if end_what_hangs else running(settings)
    if found is None:
        from gpt_notebook import model_process

        return end_what_hangs and model_process.end(RuntimeDirectory.of(settings))
    if settings.url is not None:
        if not force:
            message = f"the model kernel at {settings.url} was not started from here: --force (force=True) ends it for everybody"
            raise ModelKernelBusy(message)
        _dismiss(settings, *found, force=force)
    else:
        # Nobody starts another one meanwhile; somebody who has been starting one for longer than this is not waited for.
        with RuntimeDirectory.of(settings).lock("start", wait=STOP_SECONDS):
            _dismiss(settings, *found, force=force)
    return True


def misfit(status: Status, settings: Settings) -> str | None:
    """Return why a model kernel can't work for this process, as the rest of a sentence about it."""
    if status.protocol != PROTOCOL_VERSION:
        return f"speaks protocol {status.protocol}, this notebook {PROTOCOL_VERSION}"
    if settings.url is not None:
        return None
    if status.prefix != sys.prefix:
        return f"runs in another Python environment ({status.prefix})"
    if status.source_hash != identity.source_hash():
        return "runs other source code than this notebook"
    return None


def _fitting_or_dismissed(settings: Settings) -> Client | None:
    """Return the running model kernel; one that doesn't fit is told to leave."""
    found = running(settings)
    if found is None:
        return None
    client, status = found
    reason = misfit(status, settings)
    if reason is None:
        return client
    _check_we_are_current()
    try:
        _dismiss(settings, client, status, force=False)
    except ModelKernelBusy as error:
        message = (
            f"the model kernel (process {status.pid}) {reason}, and it is busy: "
            "wait until it is idle, or end it with  gpt-notebook stop --force"
        )
        raise ModelKernelMismatch(message) from error
    return None


def _check_we_are_current() -> None:
    """Refuse to replace a model kernel when this process is the one that is out of date."""
    if identity.source_hash.__wrapped__() != identity.source_hash():
        message = "gpt_notebook was changed or upgraded since this process imported it: restart the notebook kernel"
        raise ModelKernelMismatch(message)


def _dismiss(settings: Settings, client: Client, status: Status, *, force: bool) -> None:
    with contextlib.suppress(*LEAVING):
        client.stop(StopRequest(force=force))
    deadline = time.monotonic() + STOP_SECONDS
    while not _gone(settings, client, status.pid):
        if time.monotonic() > deadline:
            message = f"the model kernel (process {status.pid}) was told to leave and is still there: end it with  kill {status.pid}"
            raise ModelKernelError(message)
        time.sleep(POLL_SECONDS)


def _gone(settings: Settings, client: Client, pid: int | None) -> bool:
    """Whether that very process neither answers nor, on this machine, holds its lock any more."""
    try:
        if client.status().pid == pid:
            return False
    except LEAVING:
        pass
    return settings.url is not None or _nobody_serves(RuntimeDirectory.of(settings))


def _process(directory: RuntimeDirectory) -> str:
    pid = directory.read_pid()
    return "" if pid is None else f" (process {pid})"


def _nobody_serves(directory: RuntimeDirectory) -> bool:
    """Whether the lock that a model kernel holds for life is free."""
    with directory.lock("server", wait=0) as free:
        return free


def _started(
    directory: RuntimeDirectory, settings: Settings, deadline: float
) -> Generator[Progress, None, Client | None]:
    """Start a model kernel and wait for its first answer; None when it left because there is another."""
    from gpt_notebook.model_process import ModelProcess

    process = ModelProcess.start(directory, settings)
    told = time.monotonic()
    while True:
        found = _running_so_far(settings)
        if found is not None:
            client, status = found
            if misfit(status, settings) is None:
                return client
            _check_we_are_current()
        now = time.monotonic()
        code = process.poll()
        if now > deadline or code not in (None, 0):
            raise process.failure(settings)
        if code == 0:
            return None
        if now - told > PROGRESS_SECONDS:
            told = now
            yield Progress(stage="starting")
        time.sleep(POLL_SECONDS)


def _running_so_far(settings: Settings) -> tuple[Client, Status] | None:
    """Return what `running` does, and None also for one that can't say who it is, not yet or not any more."""
    try:
        return running(settings)
    except RuntimeDirectoryError:
        raise
    except ModelKernelError:
        return None
