"""What is asked of fine-tuning jobs: each question finds its job, and what does the work is beside this.

All of its state belongs to the event loop's thread; whatever looks at a disk is done in others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from gpt_notebook.errors import InvalidRequest, JobInUse, JobNotFound
from gpt_notebook.job_events import JobEvent
from gpt_notebook.job_protocol import (
    CommandRequest,
    CommandTaken,
    DataInfo,
    EventsRequest,
    ForgetRequest,
    JobInfo,
    JobOptions,
    JobRequest,
    JobStarted,
)
from gpt_notebook.model_kernel.adapters import managing
from gpt_notebook.model_kernel.jobs import events, forgetting, telling
from gpt_notebook.model_kernel.jobs.base import Base, refuse_elsewhere
from gpt_notebook.model_kernel.jobs.data_store import DataStore
from gpt_notebook.model_kernel.jobs.processes import Start
from gpt_notebook.model_kernel.jobs.register import Register
from gpt_notebook.model_kernel.jobs.starting import ABANDONED_SECONDS, Placed, Starting
from gpt_notebook.model_kernel.jobs.watching import MakeRoom, Watch
from gpt_notebook.protocol import RunningJob
from gpt_notebook.settings import Settings

logger = logging.getLogger(__name__)

LetGo = Callable[[str, Path], None]
"""Gives back the memory of what was read from below a directory, or raises `ModelInUse`; takes a name for it, too."""


class FindsBases(Protocol):
    """What finds the model that a job begins from."""

    def name_of(self, model: str) -> str:
        """Return what the model kernel calls a model."""
        ...

    async def find(self, model: str, options: JobOptions, *, hub_token: str | None = None) -> Base:
        """Return what a model string stands for, or say why it can't be trained."""
        ...


class Jobs:
    """The fine-tuning jobs below GPT_NOTEBOOK_HOME."""

    def __init__(
        self, settings: Settings, *, bases: FindsBases, start: Start, make_room: MakeRoom, let_go: LetGo
    ) -> None:
        """Know of none yet.

        Args:
            settings: where they are, and how much data they may have.
            bases: finds what they begin from.
            start: starts their processes.
            make_room: makes room for one in memory.
            let_go: lets go of what was loaded of one.
        """
        self._home = settings.home_directory()
        self._bases = bases
        self._let_go = let_go
        self.data = DataStore(self._home, max_bytes=settings.max_data)
        self._register = Register(self._home)
        self._starting = Starting(self._home, self._register, self.data)
        self._watch = Watch(self._home, self._register, start=start, make_room=make_room)
        self._watching: asyncio.Task[None] | None = None
        self._waited_for = 0

    def begin(self) -> None:
        """Look for the jobs that there are, and go on with them; calling it again does nothing."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await asyncio.to_thread(self._tidy)
        await self._watch.run()

    def _tidy(self) -> None:
        """Finish or remove what those have left who were killed."""
        try:
            managing.sweep(self._home)
            managing.mend(self._home)
            self._starting.tidy(older_than=ABANDONED_SECONDS)
            self.data.tidy()
        except OSError:
            logger.exception("what was left of jobs could not be seen to")

    def current(self) -> tuple[RunningJob, ...]:
        """Return those that run or are queued, when they were last looked at."""
        return self._watch.current

    @property
    def busy(self) -> bool:
        """Whether data come in or a job is being started, so that somebody waits for it."""
        return self._waited_for > 0

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        self._waited_for += 1
        try:
            yield
        finally:
            self._waited_for -= 1

    # --- requests ---------------------------------------------------------------------------------------------------

    async def keep(self, pieces: AsyncIterable[bytes]) -> DataInfo:
        """Keep data that come in pieces of any length: lines of JSON.

        Raises:
            InvalidRequest: a line is no JSON object, or there is none.
            PayloadTooLarge: there are too many.
            DiskFull: there is no space for them.
        """
        with self._busy():
            return await self.data.keep(pieces)

    async def start(self, request: JobRequest, *, hub_token: str | None = None) -> JobStarted:
        """Start a job, or attach to it; one that has died, failed or was cancelled goes on.

        Raises:
            GptNotebookError: it can't be done; says why.
        """
        self.begin()
        refuse_elsewhere(request.model, self._home)
        _refuse_nothing_to_compare(request)
        request = replace(request, model=self._bases.name_of(request.model))
        with self._busy():
            placed = await self._placed(request, hub_token)
            info = await asyncio.to_thread(self._register.info, placed.name)
            await self._changed()
        return JobStarted(job=info, attached=placed.attached, resumed=placed.resumed)

    async def _placed(self, request: JobRequest, hub_token: str | None) -> Placed:
        async with self._watch.deciding:
            placed = await asyncio.to_thread(self._starting.attached, request)
        if placed is not None:
            return placed
        await asyncio.to_thread(self._starting.check_data, request)
        base = await self._bases.find(request.model, request.options, hub_token=hub_token)
        async with self._watch.deciding:
            return await asyncio.to_thread(self._starting.place, request, base)

    async def command(self, request: CommandRequest) -> CommandTaken:
        """Write a command down for a job; where no process reads it, do it.

        Raises:
            JobNotFound: there is no such job.
            InvalidRequest: it makes no sense for the job as it is.
        """
        self.begin()
        async with self._watch.deciding:
            number = await asyncio.to_thread(telling.tell, self._register, request, has_process=self._watch.has_process)
        await self._changed()
        return CommandTaken(number=number)

    def events(self, request: EventsRequest) -> AsyncGenerator[list[JobEvent]]:
        """Yield what has been recorded of a job, many events at once; see `events.follow`."""
        return events.follow(self._register, request)

    async def listing(self, job: str | None = None) -> list[JobInfo]:
        """Return all jobs, the newest first; or only the one of an id or a name, if it is there."""
        if job is None:
            return await asyncio.to_thread(self._register.infos)
        with contextlib.suppress(JobNotFound):
            return [await asyncio.to_thread(self._register.info, job)]
        return []

    async def forget(self, request: ForgetRequest) -> None:
        """Delete a job with what it has made.

        Raises:
            JobNotFound: there is no such job.
            JobInUse: it runs, or another goes on from it.
            ModelInUse: requests use what it has made.
        """
        async with self._watch.deciding:
            job = await asyncio.to_thread(self._register.find, request.job)
            if job.active and self._watch.has_process(job):
                message = f"the job {job.spec.name} runs: stop or cancel it first"
                raise JobInUse(message)
            self._let_go(job.spec.name, job.directory.path.resolve())
            await asyncio.to_thread(forgetting.forget, self._register, job)
        await self._changed()

    async def _changed(self) -> None:
        await self._watch.refresh()
        self._watch.look_soon()

    def close(self) -> None:
        """Look after them no longer; they go on."""
        if self._watching is not None:
            self._watching.cancel()


def _refuse_nothing_to_compare(request: JobRequest) -> None:
    """Refuse to end early by validations that there will be none of.

    Raises:
        InvalidRequest: says what is missing.
    """
    options = request.options
    if options.early_stopping is not None and request.validation is None and options.validation_share == 0:
        message = "early_stopping needs something to validate on: give validation data, or validation_share"
        raise InvalidRequest(message, param="early_stopping")
