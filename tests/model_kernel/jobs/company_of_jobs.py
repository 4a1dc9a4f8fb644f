"""Jobs whose processes are `fake_process`, and how tests wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from gpt_notebook.errors import ModelNotFound
from gpt_notebook.job_events import JobEvent, StateChanged
from gpt_notebook.job_files import lock
from gpt_notebook.job_files.directory import JobDirectory, jobs_in
from gpt_notebook.job_protocol import EventsRequest, JobInfo, JobOptions, JobRequest, JobStarted
from gpt_notebook.model_kernel.jobs import processes
from gpt_notebook.model_kernel.jobs.base import Base
from gpt_notebook.model_kernel.jobs.jobs import Jobs
from gpt_notebook.settings import Settings

FAKE = Path(__file__).with_name("fake_process.py")
DATA = b'{"text": "Once upon a time"}\n{"text": "there was a fox."}\n'
SECONDS = 30


class Bases:
    """Every model but one is there."""

    def __init__(self) -> None:
        self.fingerprint = "f"
        self.asked: list[str] = []

    def name_of(self, model: str) -> str:
        return model

    async def find(self, model: str, options: JobOptions, *, hub_token: str | None = None) -> Base:
        self.asked.append(model)
        if model == "missing":
            message = "there is no model 'missing'"
            raise ModelNotFound(message)
        return Base(model=model, source="/nowhere", fingerprint=self.fingerprint)


def start_fake(settings: Settings, started: list[subprocess.Popen[bytes]] | None = None) -> processes.Start:
    """What starts `fake_process` the way the real one is started."""

    def start(directory: JobDirectory) -> subprocess.Popen[bytes]:
        real = processes.command
        processes.command = lambda directory: [sys.executable, "-P", str(FAKE), str(directory.path)]
        try:
            process = processes.starter(settings)(directory)
        finally:
            processes.command = real
        if started is not None:
            started.append(process)
        return process

    return start


def made(home: Path, *, let_go: Callable[[str, Path], None] = lambda *_: None, **settings: Any) -> Jobs:
    """Jobs below a home, with `started` and `bases` to look at."""
    told = Settings(home=home, **settings)
    started: list[subprocess.Popen[bytes]] = []

    async def room(_: object) -> None:
        """There is room."""

    bases = Bases()
    jobs = Jobs(told, bases=bases, start=start_fake(told, started), make_room=room, let_go=let_go)
    jobs.started, jobs.bases = started, bases  # for tests to look at
    return jobs


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def request(
    jobs: Jobs, name: str | None = None, *, data: bytes = DATA, force: bool = False, **arguments: Any
) -> JobRequest:
    """A request with data that were sent; what is no option tells the fake process what to do."""
    options = {key: arguments.pop(key) for key in list(arguments) if key in JobOptions.__dataclass_fields__}
    model = arguments.pop("model", "storyteller")
    kept = await jobs.keep(pieces(data))
    assert kept.digest == hashlib.sha256(data).hexdigest()
    return JobRequest(
        data=kept.digest,
        name=name,
        model=model,
        force=force,
        options=JobOptions(**options, training_arguments=arguments),
    )


async def start(jobs: Jobs, name: str | None = None, **arguments: Any) -> JobStarted:
    return await jobs.start(await request(jobs, name, **arguments))


async def told(jobs: Jobs, name: str, *, after: int = 0, follow: bool = False) -> list[JobEvent]:
    """What is told of a job, to its end if that is waited for."""
    async with asyncio.timeout(SECONDS):
        return [
            each async for batch in jobs.events(EventsRequest(job=name, after=after, follow=follow)) for each in batch
        ]


async def state(jobs: Jobs, name: str, wanted: str, *, after: int = 0) -> StateChanged:
    """The event by which a job comes into a state, once it has; a job that ends or pauses may go on again."""
    async with asyncio.timeout(SECONDS):
        while True:
            async with contextlib.aclosing(jobs.events(EventsRequest(job=name, after=after, follow=True))) as batches:
                async for batch in batches:
                    for event in batch:
                        if isinstance(event, StateChanged):
                            after = event.number
                            if event.state == wanted:
                                return event
            await asyncio.sleep(0.01)


async def info(jobs: Jobs, name: str) -> JobInfo:
    (found,) = [each for each in await jobs.listing() if each.name == name]
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what sends no event."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - of locks and processes nobody tells
            await asyncio.sleep(0.01)


def end_all(home: Path) -> None:
    """End the processes that still hold jobs."""
    for directory in jobs_in(home):
        holder = lock.holder(directory)
        if holder is not None and holder.pid not in (None, os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder.pid, signal.SIGKILL)
