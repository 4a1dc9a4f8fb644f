"""Fine-tuning jobs of the fake engine: the real ones in everything but the training, which ends at once or when a test wants it.

They have directories, journals, a queue and commands like any other, below a home of their own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import shutil
from collections.abc import Sequence
from pathlib import Path

from gpt_notebook.errors import ModelNotFound
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_protocol import CommandRequest, CommandTaken, ForgetRequest, JobOptions, JobRequest, JobStarted
from gpt_notebook.model_kernel.jobs.base import Base
from gpt_notebook.model_kernel.jobs.jobs import Jobs
from gpt_notebook.model_kernel.jobs.register import Job
from gpt_notebook.settings import GIB, Settings
from gpt_notebook.testing.fake_training import FakeTraining
from gpt_notebook.testing.gate import Gate


class FakeJobs(Jobs):
    """Jobs that train nothing."""

    def __init__(
        self,
        home: Path,
        *,
        models: Sequence[str],
        gate: Gate | None = None,
        asked: list[object] | None = None,
        max_data: int = GIB,
    ) -> None:
        """Know of none yet.

        Args:
            home: below which they are kept; it leaves when this is closed.
            models: the models that there are.
            gate: holds each step back until the test lets it pass; None: nothing waits.
            asked: gets every request, as it came.
            max_data: the most data in bytes that are taken at once.
        """
        self.home = home
        self._gate = gate
        self._asked = [] if asked is None else asked
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[_Task] = []
        super().__init__(
            Settings(home=home, max_data=max_data),
            bases=_FakeBases(models),
            start=self._start,
            make_room=_room_enough,
            let_go=lambda *_: None,
        )

    def begin(self) -> None:
        """Look for the jobs that there are."""
        self._loop = asyncio.get_running_loop()
        super().begin()

    def _start(self, directory: JobDirectory) -> _Task:
        assert self._loop is not None  # noqa: S101 - nothing is started before they have begun
        training = FakeTraining(directory, self._gate)
        task = _Task(asyncio.run_coroutine_threadsafe(training.run(), self._loop), directory)
        self._tasks.append(task)
        return task

    async def start(self, request: JobRequest, *, hub_token: str | None = None) -> JobStarted:
        """Start a job, or attach to it."""
        self._asked.append(request)
        return await super().start(request, hub_token=hub_token)

    async def command(self, request: CommandRequest) -> CommandTaken:
        """Write a command down for a job; where no process reads it, do it."""
        self._asked.append(request)
        return await super().command(request)

    async def forget(self, request: ForgetRequest) -> None:
        """Delete a job with what it has made."""
        self._asked.append(request)
        await super().forget(request)

    def close(self) -> None:
        """End all trainings, and leave nothing behind."""
        super().close()
        for task in self._tasks:
            task.cancel()
        shutil.rmtree(self.home, ignore_errors=True)


class _Task:
    """A task as if it were a process: what it fails with is the last line of the job's log."""

    def __init__(self, future: concurrent.futures.Future[None], directory: JobDirectory) -> None:
        self._future = future
        self._directory = directory

    def poll(self) -> int | None:
        """Return 0 when it has ended well."""
        if not self._future.done():
            return None
        if self._future.cancelled() or (error := self._future.exception()) is None:
            return 0
        self._directory.log.write_text(f"{type(error).__name__}: {error}\n", "utf-8")
        return 1

    def cancel(self) -> None:
        """End it."""
        self._future.cancel()


class _FakeBases:
    """Every model that there is can be trained."""

    def __init__(self, models: Sequence[str]) -> None:
        self._models = models

    def name_of(self, model: str) -> str:
        """Return the name as it is."""
        return model

    async def find(
        self,
        model: str,
        options: JobOptions,  # noqa: ARG002 - the interface
        *,
        hub_token: str | None = None,  # noqa: ARG002 - likewise
    ) -> Base:
        """Return a model that there is.

        Raises:
            ModelNotFound: there is none of that name.
        """
        if model.partition("+")[0] not in self._models:
            message = f"there is no model {model!r}; there are: {', '.join(self._models)}"
            raise ModelNotFound(message)
        return Base(model=model, source="/nowhere", fingerprint="fake")


async def _room_enough(_: Job) -> None:
    """Say nothing: there is room."""
