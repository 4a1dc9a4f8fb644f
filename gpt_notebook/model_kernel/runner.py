"""The way of a request: let in, its model loaded, its work run."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from gpt_notebook import adapter_places, openmp
from gpt_notebook.errors import GptNotebookError, OutOfMemory
from gpt_notebook.model_kernel import linear
from gpt_notebook.model_kernel.admission import Admission, Request
from gpt_notebook.model_kernel.batching.batch import Batch
from gpt_notebook.model_kernel.batching.memory import CacheMemory
from gpt_notebook.model_kernel.generation import Generation
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.model_config import GENERATING, Kinds
from gpt_notebook.model_kernel.models import Models, best_device, device_memory
from gpt_notebook.model_kernel.native import library
from gpt_notebook.model_kernel.scheduler import Scheduler, Work
from gpt_notebook.model_kernel.served import Served
from gpt_notebook.protocol import Progress
from gpt_notebook.settings import MIB, Settings
from gpt_notebook.shortage import is_out_of_memory

CACHE_SHARE = 0.15
"""How much of the device's memory the caches of all texts may take, if nothing else is set."""
MOST_UNREAD = 16 * MIB
"""Bytes of an array that may wait to be read, enough to keep a fast reader busy."""


class Runner:
    """The models of one device, the requests that have been let in, and the thread that works for them."""

    def __init__(self, settings: Settings) -> None:
        """Begin with no model loaded."""
        self.admission = Admission(settings.max_requests)
        self.threads = settings.threads or openmp.processors()
        """How many CPU threads a step of a model that isn't small uses."""
        self.caches = CacheMemory(settings.cache_budget or int(device_memory(best_device(settings)) * CACHE_SHARE))
        library.prepare(settings.compiled_directory())
        self.models = Models(settings, left=self.caches.prefixes.forget)
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
        """Yield the progress of loading the request's model, which it has afterwards with its adapter.

        Raises:
            GptNotebookError: it can't be loaded, or is none of these `kinds`.
        """
        request.state = "loading"
        async for found in self.models.ready(request.model, dtype=dtype, hub_token=hub_token, kinds=kinds):
            if isinstance(found, Progress):
                yield found
                continue
            _, name = adapter_places.split(request.model)
            adapter = None if name is None else await self.models.adapters.ready(found, name)
            request.served = Served(found, adapter, request.model)
        request.state = "queued"

    async def loaded(
        self,
        request: Request,
        hub_token: str | None = None,
        *,
        dtype: str | None = None,
        kinds: Kinds = GENERATING,
    ) -> Served:
        """Return what answers the request, with nobody watching the progress."""
        async for _ in self.load(request, hub_token, dtype=dtype, kinds=kinds):
            pass
        return request.served

    async def run(self, request: Request, work: Work | Generation) -> AsyncGenerator[Any]:
        """Hand work of a request whose model is loaded to the scheduler, and yield what it emits until it ends.

        A generation takes part in the steps of its model's batch.

        Raises:
            GptNotebookError: the work failed; other requests go on.
        """
        if isinstance(work, Generation):
            submit = functools.partial(self._batch_of(request.served.model).submit, work)
        else:
            work.threads = self._threads_for(request.served.model)
            work.inside = functools.partial(linear.adapted, request.served.adapter)
            submit = functools.partial(self._scheduler.submit, work)
        outbox = Outbox(asyncio.get_running_loop(), submit)
        work.emit, work.must_wait = outbox.put, outbox.must_wait
        request.work = work
        work.cancelled = request.cancelled
        request.state = "running"
        submit()
        try:
            while (item := await outbox.take()) is not None:
                if isinstance(item, BaseException):
                    raise _as_known(item, request.model) from item
                yield item
        finally:
            work.cancelled = True
            # What it holds must not wait for the garbage collector: the weights of a model may hang on it.
            work.emit, work.must_wait = _nobody_listens, _never

    def _batch_of(self, model: LoadedModel) -> Batch:
        if model.batch is None:
            model.batch = Batch(model, self.caches, self._scheduler)
            model.batch.threads = self._threads_for(model)
        batch: Batch = model.batch
        return batch

    def _threads_for(self, model: LoadedModel) -> int:
        return 1 if model.is_small else self.threads

    def close(self) -> None:
        """End all work and let the weights go."""
        self.admission.cancel(None)
        self._scheduler.close()
        self.models.close()


class Outbox:
    """What work has emitted and its reader has not taken yet; work that is too far ahead waits for its reader."""

    def __init__(self, loop: asyncio.AbstractEventLoop, go_on: Callable[[], None]) -> None:
        """Begin empty; `go_on` gives work that waits its turns again."""
        self._loop = loop
        self._go_on = go_on
        self._items: asyncio.Queue[Any] = asyncio.Queue()
        self._lock = threading.Lock()
        self._unread = 0
        self._waiting = False

    def put(self, item: Any) -> None:
        """Add an item; from any thread."""
        with self._lock:
            self._unread += _size(item)
        with contextlib.suppress(RuntimeError):  # The event loop is gone: so is everybody who would listen.
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)

    def must_wait(self) -> bool:
        """Whether so many bytes are unread that more would only take memory; from the scheduler's thread."""
        with self._lock:
            self._waiting = self._unread > MOST_UNREAD
            return self._waiting

    async def take(self) -> Any:
        """Return the next item."""
        item = await self._items.get()
        with self._lock:
            self._unread -= _size(item)
            go_on = self._waiting and self._unread <= MOST_UNREAD // 2
            self._waiting &= not go_on
        if go_on:
            self._go_on()
        return item


def _nobody_listens(_: Any) -> None:
    """Take what nobody waits for any more."""


def _never() -> bool:
    """Return that there is nothing to wait for."""
    return False


def _size(item: Any) -> int:
    return item.nbytes if isinstance(item, memoryview) else 0


def _as_known(error: BaseException, model: str) -> GptNotebookError:
    """Return an error of ours for one from a step."""
    if isinstance(error, GptNotebookError):
        return error
    if is_out_of_memory(error):
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        message = f"out of memory while running {model}: shorten the text, lower --max, or unload another model"
        return OutOfMemory(message)
    reason = next(iter(str(error).splitlines()), "")[:300]
    return GptNotebookError(f"{model} failed ({type(error).__name__}: {reason}): see  gpt-notebook logs")
