"""What is asked about fine-tuning and needs the models: previews, evaluations, and what jobs have made as files.

The jobs themselves need none of them: they are in `jobs`, and get from here what they begin from and room in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator
from dataclasses import replace

from gpt_notebook.job_events import EvaluationEvent, ExportEvent
from gpt_notebook.job_protocol import (
    DeleteAdapterRequest,
    EvaluateRequest,
    ExportRequest,
    Preview,
    PreviewRequest,
    RenameAdapterRequest,
)
from gpt_notebook.model_kernel.adapters import exporting, managing
from gpt_notebook.model_kernel.jobs import evaluation, preview, processes
from gpt_notebook.model_kernel.jobs.base import refuse_elsewhere
from gpt_notebook.model_kernel.jobs.base_model import Bases
from gpt_notebook.model_kernel.jobs.jobs import Jobs
from gpt_notebook.model_kernel.jobs.room import Room
from gpt_notebook.model_kernel.runner import Runner
from gpt_notebook.model_kernel.threads import in_a_thread_of_its_own
from gpt_notebook.protocol import Done, Progress
from gpt_notebook.settings import Settings


class Tuning:
    """Everything that can be asked about fine-tuning."""

    def __init__(self, settings: Settings, runner: Runner) -> None:
        """Know of no job yet."""
        self._home = settings.home_directory()
        self._runner = runner
        self._models = runner.models
        self._room = Room(runner.models)
        self.jobs = Jobs(
            settings,
            bases=Bases(self._home, self._models.device, self._models.name_of),
            start=processes.starter(settings),
            make_room=self._room.make,
            let_go=self._models.let_go_of,
        )

    # --- data ---------------------------------------------------------------------------------------------------------

    async def preview(self, request: PreviewRequest, *, hub_token: str | None = None) -> Preview:
        """Return what a model would see of data, and what a job would take.

        Raises:
            GptNotebookError: it can't be said; says why.
        """
        refuse_elsewhere(request.model, self._home)
        data = self.jobs.data.find(request.data)
        validation = None if request.validation is None else self.jobs.data.find(request.validation)
        with self._runner.admitted(request.model) as entry:
            served = await self._runner.loaded(entry, hub_token)
            with served.used():
                free = self._room.free()
                work = functools.partial(preview.preview, served.model, request, data, validation, free=free)
                return await in_a_thread_of_its_own(self._runner.threads, work)

    async def evaluate(
        self, request: EvaluateRequest, *, hub_token: str | None = None
    ) -> AsyncGenerator[EvaluationEvent]:
        """Yield an `Evaluated` for each sample, as they are measured.

        Raises:
            GptNotebookError: it can't be done, or failed on the way.
        """
        refuse_elsewhere(request.model, self._home)
        data = self.jobs.data.find(request.data)
        with self._runner.admitted(request.model) as entry:
            async for progress in self._runner.load(entry, hub_token):
                yield progress
            model = entry.served.model
            with entry.served.used():
                found = await asyncio.to_thread(evaluation.to_measure, model, request, data)
                work = evaluation.Evaluation(model, found)
                async with contextlib.aclosing(self._runner.run(entry, work)) as events:
                    async for event in events:
                        yield replace(event, model=entry.model) if isinstance(event, Progress) else event
            yield Done()

    # --- adapters as files --------------------------------------------------------------------------------------------

    async def rename_adapter(self, request: RenameAdapterRequest) -> None:
        """Give an adapter, and the job that made it, another name; what is loaded of it leaves.

        Raises:
            ModelNotFound: there is none of that name.
            ModelInUse: requests are using it.
            GptNotebookError: it can't be done; says why.
        """
        await self._let_go_of(request.name)
        await asyncio.to_thread(managing.rename, self._home, request.name, request.new_name)

    async def delete_adapter(self, request: DeleteAdapterRequest) -> None:
        """Delete an adapter, or one of its steps; what is loaded of it leaves.

        Raises:
            ModelNotFound: there is none of that name, or not that step.
            ModelInUse: requests are using it.
            GptNotebookError: it can't be done; says why.
        """
        await self._let_go_of(request.name, request.step)
        await asyncio.to_thread(managing.delete, self._home, request.name, request.step)

    async def _let_go_of(self, name: str, step: int | None = None) -> None:
        found = await asyncio.to_thread(managing.find, self._home, name)
        self._models.let_go_of(name, found.files if step is None else found.files / "checkpoints" / str(step))

    async def export(self, request: ExportRequest, *, hub_token: str | None = None) -> AsyncGenerator[ExportEvent]:
        """Yield the progress of an export, and `Exported` at its end; see `exporting`."""
        with self._runner.admitted(request.model) as entry:
            entry.state = "running"
            events = exporting.export(request, home=self._home, hub_token=hub_token, cancelled=lambda: entry.cancelled)
            async with contextlib.aclosing(events):
                async for event in events:
                    yield event

    def close(self) -> None:
        """Look after jobs no longer; they go on by themselves."""
        self.jobs.close()
