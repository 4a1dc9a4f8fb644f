"""The way of a request: let in, its model loaded, its work run."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractContextManager
from typing import Any

import torch

from gpt_notebook.errors import GptNotebookError, OutOfMemory
from gpt_notebook.model_kernel.admission import Admission, Request
from gpt_notebook.model_kernel.loading import LoadedModel
from gpt_notebook.model_kernel.model_config import GENERATING, Kinds
from gpt_notebook.model_kernel.models import Models
from gpt_notebook.model_kernel.scheduler import Scheduler, Work
from gpt_notebook.protocol import Progress
from gpt_notebook.settings import Settings


class Runner:
    """The models of one device, the requests that have been let in, and the thread that works for them."""

    def __init__(self, settings: Settings) -> None:
        """Begin with no model loaded."""
        self.models = Models(settings)
        self.admission = Admission(settings.max_requests)
        self.threads = settings.threads or os.cpu_count() or 1
        """How many CPU threads a step of a model that isn't small uses."""
        self._scheduler = Scheduler(str(self.models.device))

    def admitted(self, model: str) -> AbstractContextManager[Request]:
        """Let a request in.

        Raises:
            TooManyRequests: enough are running and waiting.
        """
        return self.admission.admitted(self.models.name_of(model))

    async def load(
        self, request: Request, hub_token: str | None, *, dtype: str | None = None, kinds: Kinds = GENERATING
    ) -> AsyncIterator[Progress]:
        """Yield the progress of loading the request's model, which it has afterwards; one of other `kinds` is refused."""
        request.state = "loading"
        async for found in self.models.ready(request.model, dtype=dtype, hub_token=hub_token, kinds=kinds):
            if isinstance(found, Progress):
                yield found
            else:
                request.loaded = found
        request.state = "queued"

    async def loaded(self, request: Request, hub_token: str | None = None, *, kinds: Kinds = GENERATING) -> LoadedModel:
        """Return the request's model, with nobody watching the progress."""
        async for _ in self.load(request, hub_token, kinds=kinds):
            pass
        return request.loaded

    async def run(self, request: Request, work: Work, *, small: bool) -> AsyncGenerator[Any]:
        """Hand work to the scheduler and yield what it emits until it ends; work that is `small` gets one thread.

        Raises:
            GptNotebookError: the work failed; other requests go on.
        """
        loop = asyncio.get_running_loop()
        emitted: asyncio.Queue[Any] = asyncio.Queue()

        def emit(item: Any) -> None:
            with contextlib.suppress(RuntimeError):  # The event loop is gone: so is everybody who would listen.
                loop.call_soon_threadsafe(emitted.put_nowait, item)

        work.emit = emit
        request.work = work
        work.cancelled = request.cancelled
        request.state = "running"
        work.threads = 1 if small else self.threads
        self._scheduler.submit(work)
        try:
            while (item := await emitted.get()) is not None:
                if isinstance(item, BaseException):
                    raise _as_known(item, request.model) from item
                yield item
        finally:
            work.cancelled = True

    def close(self) -> None:
        """End all work and let the weights go."""
        self.admission.cancel(None)
        self._scheduler.close()
        self.models.close()


def _as_known(error: BaseException, model: str) -> GptNotebookError:
    """Return an error of ours for one from a step."""
    if isinstance(error, GptNotebookError):
        return error
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        message = f"out of memory while running {model}: shorten the text, lower --max, or unload another model"
        return OutOfMemory(message)
    reason = next(iter(str(error).splitlines()), "")[:300]
    return GptNotebookError(f"{model} failed ({type(error).__name__}: {reason}): see  gpt-notebook logs")
