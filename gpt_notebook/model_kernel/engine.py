"""The engine: owns the loaded weights; takes requests and gives streams of events.

Between the routes, which know HTTP and nothing of torch, and the scheduler's thread, which knows tensors and nothing of
requests. Its methods are coroutines and asynchronous generators of the event loop; closing a generator cancels its
request before the next token. `gpt_notebook.testing.FakeEngine` has the same methods and no model.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractContextManager
from typing import Any

import torch

from gpt_notebook.errors import GptNotebookError, OutOfMemory
from gpt_notebook.model_kernel import prompts
from gpt_notebook.model_kernel.admission import Admission, Request
from gpt_notebook.model_kernel.generation import Generation
from gpt_notebook.model_kernel.loading import LoadedModel
from gpt_notebook.model_kernel.models import Models
from gpt_notebook.model_kernel.scheduler import Scheduler, Work
from gpt_notebook.model_kernel.scoring import NextToken, Scoring
from gpt_notebook.protocol import (
    Done,
    Event,
    GenerateRequest,
    Loaded,
    LoadRequest,
    Memory,
    ModelInfo,
    NextRequest,
    Progress,
    RequestInfo,
    ScoreRequest,
    Started,
    Token,
    TokenizeRequest,
)
from gpt_notebook.settings import Settings


class Engine:
    """Everything that can be asked of the models on one device."""

    def __init__(self, settings: Settings) -> None:
        """Begin with no model loaded."""
        self._settings = settings
        self._models = Models(settings)
        self._scheduler = Scheduler(str(self._models.device))
        self._admission = Admission(settings.max_requests)

    # --- what it does now -------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether there is work that somebody waits for."""
        return bool(self._admission) or self._models.loading

    @property
    def last_active(self) -> float:
        """When the last request ended, on the monotonic clock."""
        return self._admission.last_active

    @property
    def threads(self) -> int:
        """How many CPU threads a step of a model that isn't small uses."""
        return self._settings.threads or os.cpu_count() or 1

    def requests(self) -> list[RequestInfo]:
        """Return what runs or waits."""
        return self._admission.infos()

    def loaded(self) -> list[ModelInfo]:
        """Return the loaded models."""
        return self._models.loaded()

    def memory(self) -> Memory:
        """Return what the models take."""
        return self._models.memory()

    async def available(self) -> list[ModelInfo]:
        """Return every model that can be used without a download."""
        return await self._models.available()

    # --- requests ---------------------------------------------------------------------------------------------------

    async def generate(self, request: GenerateRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Yield the events of a generation.

        Raises:
            GptNotebookError: it can't be done, or failed on the way.
        """
        with self._admitted(request.model) as entry:
            async for progress in self._load(entry, hub_token):
                yield progress
            model = entry.loaded
            with model.used():
                prompt = await asyncio.to_thread(prompts.prepare, model, request)
                entry.prompt_tokens = len(prompt.token_ids)
                yield Started(
                    id=entry.id,
                    model=entry.model,
                    fingerprint=model.fingerprint,
                    prompt=prompt.text,
                    prompt_token_ids=tuple(prompt.token_ids),
                    options=prompt.options,
                )
                async with contextlib.aclosing(self._run(entry, Generation(model, prompt))) as events:
                    async for event in events:
                        yield event
                yield Done(timing=entry.timing())

    async def score(self, request: ScoreRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Yield a `Scored` for each text, in order.

        Raises:
            GptNotebookError: it can't be done, or failed on the way.
        """
        with self._admitted(request.model) as entry:
            async for progress in self._load(entry, hub_token):
                yield progress
            model = entry.loaded
            with model.used():
                texts = await asyncio.to_thread(prompts.texts_to_score, model, request)
                async with contextlib.aclosing(self._run(entry, Scoring(model, texts))) as events:
                    async for event in events:
                        yield event
                yield Done()

    async def next(self, request: NextRequest, *, hub_token: str | None = None) -> list[Token]:
        """Return the most probable next tokens, most probable first.

        Raises:
            GptNotebookError: it can't be done.
        """
        with self._admitted(request.model) as entry:
            model = await self._loaded(entry, hub_token)
            with model.used():
                ids = await asyncio.to_thread(prompts.encode, model, request.prompt)
                prompts.check_length(model, len(ids))
                async with contextlib.aclosing(self._run(entry, NextToken(model, ids, request.k))) as tokens:
                    return [token async for token in tokens]

    async def tokenize(self, request: TokenizeRequest, *, hub_token: str | None = None) -> list[Token]:
        """Return the tokens of a text; no model runs, but its tokenizer is loaded with it.

        Raises:
            GptNotebookError: the model can't be loaded.
        """
        with self._admitted(request.model) as entry:
            model = await self._loaded(entry, hub_token)

            def work() -> list[Token]:
                ids = model.tokenizer(request.text, add_special_tokens=request.add_special_tokens)["input_ids"]
                return model.vocabulary.tokens(ids)

            return await asyncio.to_thread(work)

    async def load(self, request: LoadRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Yield the progress of a load, and `Loaded` at its end.

        Raises:
            GptNotebookError: it can't be loaded.
        """
        with self._admitted(request.model) as entry:
            async for progress in self._load(entry, hub_token, dtype=request.dtype):
                yield progress
            yield Loaded(model=entry.loaded.info())
            yield Done()

    def unload(self, model: str) -> None:
        """Give a model's memory back.

        Raises:
            ModelNotFound: it isn't loaded.
            ModelInUse: requests are using it.
        """
        self._models.unload(self._models.name_of(model))

    def cancel(self, ids: tuple[str, ...] | None) -> int:
        """Stop the requests named, or all, before their next token; return how many there were."""
        return self._admission.cancel(ids)

    def close(self) -> None:
        """End all work and let the weights go."""
        self.cancel(None)
        self._scheduler.close()
        self._models.close()

    # --- the way of a request ---------------------------------------------------------------------------------------

    def _admitted(self, model: str) -> AbstractContextManager[Request]:
        """Let a request in.

        Raises:
            TooManyRequests: enough are running and waiting.
        """
        return self._admission.admitted(self._models.name_of(model))

    async def _load(self, request: Request, hub_token: str | None, dtype: str | None = None) -> AsyncIterator[Progress]:
        """Yield the progress of loading the request's model, which it has afterwards."""
        request.state = "loading"
        async for found in self._models.ready(request.model, dtype=dtype, hub_token=hub_token):
            if isinstance(found, Progress):
                yield found
            else:
                request.loaded = found
        request.state = "queued"

    async def _loaded(self, request: Request, hub_token: str | None) -> LoadedModel:
        """Return the request's model, with nobody watching the progress."""
        async for _ in self._load(request, hub_token):
            pass
        return request.loaded

    async def _run(self, entry: Request, work: Work) -> AsyncGenerator[Any]:
        """Hand work to the scheduler and yield what it emits until it ends.

        Raises:
            GptNotebookError: the work failed; other requests go on.
        """
        loop = asyncio.get_running_loop()
        emitted: asyncio.Queue[Any] = asyncio.Queue()

        def emit(item: Any) -> None:
            with contextlib.suppress(RuntimeError):  # The event loop is gone: so is everybody who would listen.
                loop.call_soon_threadsafe(emitted.put_nowait, item)

        work.emit = emit
        entry.work = work
        work.cancelled = entry.cancelled
        entry.state = "running"
        work.threads = 1 if entry.loaded.is_small else self.threads
        self._scheduler.submit(work)
        try:
            while (item := await emitted.get()) is not None:
                if isinstance(item, BaseException):
                    raise _as_known(item, entry.model) from item
                yield item
        finally:
            work.cancelled = True


def _as_known(error: BaseException, model: str) -> GptNotebookError:
    """Return an error of ours for one from a step."""
    if isinstance(error, GptNotebookError):
        return error
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        message = f"out of memory while running {model}: shorten the prompt, lower --max, or unload another model"
        return OutOfMemory(message)
    reason = next(iter(str(error).splitlines()), "")[:300]
    return GptNotebookError(f"{model} failed ({type(error).__name__}: {reason}): see  gpt-notebook logs")
