"""The engine: owns the loaded weights; takes requests and gives streams of events.

Between the routes, which know HTTP and nothing of torch, and the scheduler's thread, which knows tensors and nothing of
requests. Its methods are coroutines and asynchronous generators of the event loop; closing a generator cancels its
request before the next token. `gpt_notebook.testing.FakeEngine` has the same methods and no model.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from gpt_notebook.attention_protocol import ArrayRequest, StreamRequest
from gpt_notebook.attention_protocol import Event as AttentionEvent
from gpt_notebook.batch_protocol import BatchEvent, BatchRequest
from gpt_notebook.job_events import EvaluationEvent, ExportEvent
from gpt_notebook.job_protocol import (
    DeleteAdapterRequest,
    EvaluateRequest,
    ExportRequest,
    Preview,
    PreviewRequest,
    RenameAdapterRequest,
)
from gpt_notebook.model_kernel import prompts, rows
from gpt_notebook.model_kernel.admission import Request
from gpt_notebook.model_kernel.attention.capture import Capture
from gpt_notebook.model_kernel.generation import Generation
from gpt_notebook.model_kernel.inspection import Inspection
from gpt_notebook.model_kernel.interface import ArrayItem
from gpt_notebook.model_kernel.jobs.jobs import Jobs
from gpt_notebook.model_kernel.model_config import EVERY_KIND
from gpt_notebook.model_kernel.prompts import Prompt
from gpt_notebook.model_kernel.runner import Runner
from gpt_notebook.model_kernel.scoring import NextToken, Scoring
from gpt_notebook.model_kernel.tuning import Tuning
from gpt_notebook.protocol import (
    AdapterInfo,
    Done,
    Event,
    GenerateRequest,
    Loaded,
    LoadRequest,
    Memory,
    ModelInfo,
    NextRequest,
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
        self._runner = Runner(settings)
        self._models = self._runner.models
        self._admission = self._runner.admission
        self._inspection = Inspection(settings, self._runner)
        self._tuning = Tuning(settings, self._runner)

    # --- what it does now -------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether there is work that somebody waits for."""
        return bool(self._admission) or self._models.loading or self.jobs.busy

    @property
    def last_active(self) -> float:
        """When the last request ended, on the monotonic clock."""
        return self._admission.last_active

    @property
    def threads(self) -> int:
        """How many CPU threads a step of a model that isn't small uses."""
        return self._runner.threads

    def requests(self) -> list[RequestInfo]:
        """Return what runs or waits."""
        return self._admission.infos()

    def loaded(self) -> list[ModelInfo]:
        """Return the loaded models."""
        return self._models.loaded()

    def memory(self) -> Memory:
        """Return what the models, running and kept texts, and recorded attentions take."""
        captures, caches = self._inspection.captures, self._runner.caches
        return replace(
            self._models.memory(),
            captures=captures.bytes,
            captures_budget=captures.budget,
            running=caches.running,
            prefixes=caches.prefixes.bytes,
            caches_budget=caches.budget,
        )

    async def available(self) -> list[ModelInfo]:
        """Return every model that can be used without a download."""
        return await self._models.available()

    async def adapters(self) -> list[AdapterInfo]:
        """Return every adapter that can be used, those that are loaded with what they take."""
        return await self._models.adapters.available()

    # --- requests ---------------------------------------------------------------------------------------------------

    async def generate(self, request: GenerateRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Yield the events of a generation.

        Raises:
            GptNotebookError: it can't be done, or failed on the way.
        """
        with self._runner.admitted(request.model) as entry:
            async for progress in self._runner.load(entry, hub_token):
                yield progress
            served = entry.served
            with served.used():
                prompt = await asyncio.to_thread(prompts.prepare, served.model, request)
                entry.prompt_tokens = len(prompt.token_ids)
                yield Started(
                    id=entry.id,
                    model=entry.model,
                    fingerprint=served.fingerprint,
                    prompt=prompt.text,
                    prompt_token_ids=tuple(prompt.token_ids),
                    options=prompt.options,
                )
                budget = self._inspection.captures.budget if request.attention else None
                work = Generation.of(served, prompt, attention_budget=budget)
                async with contextlib.aclosing(self._runner.run(entry, work)) as events:
                    async for event in events:
                        if isinstance(event, Capture):
                            self._inspection.captures.keep(event)
                        else:
                            yield event
                yield Done(timing=entry.timing())

    def batch(self, request: BatchRequest, *, hub_token: str | None = None) -> AsyncGenerator[BatchEvent]:
        """Yield the events of generations from many prompts; see `rows`."""

        def run(entry: Request, prompt: Prompt) -> AsyncGenerator[Any]:
            return self._runner.run(entry, Generation.of(entry.served, prompt, background=True))

        return rows.batch(self._runner, request, run, hub_token=hub_token)

    async def score(self, request: ScoreRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Yield a `Scored` for each text, in order.

        Raises:
            GptNotebookError: it can't be done, or failed on the way.
        """
        with self._runner.admitted(request.model) as entry:
            async for progress in self._runner.load(entry, hub_token):
                yield progress
            model = entry.served.model
            with entry.served.used():
                texts = await asyncio.to_thread(prompts.texts_to_score, model, request)
                async with contextlib.aclosing(
                    self._runner.run(entry, Scoring(model, texts, alternatives=request.logprobs))
                ) as events:
                    async for event in events:
                        yield event
                yield Done()

    async def next(self, request: NextRequest, *, hub_token: str | None = None) -> list[Token]:
        """Return the most probable next tokens, most probable first.

        Raises:
            GptNotebookError: it can't be done.
        """
        with self._runner.admitted(request.model) as entry:
            served = await self._runner.loaded(entry, hub_token)
            with served.used():
                ids = await asyncio.to_thread(prompts.encode, served.model, request.prompt)
                prompts.check_length(served.model, len(ids))
                async with contextlib.aclosing(self._runner.run(entry, NextToken(served, ids, request.k))) as tokens:
                    return [token async for token in tokens]

    async def tokenize(self, request: TokenizeRequest, *, hub_token: str | None = None) -> list[Token]:
        """Return the tokens of a text; no model runs, but its tokenizer is loaded with it.

        Raises:
            GptNotebookError: the model can't be loaded.
        """
        with self._runner.admitted(request.model) as entry:
            model = (await self._runner.loaded(entry, hub_token, kinds=EVERY_KIND)).model

            def work() -> list[Token]:
                ids = model.tokenizer(request.text, add_special_tokens=request.add_special_tokens)["input_ids"]
                return model.vocabulary.tokens(ids)

            return await asyncio.to_thread(work)

    async def load(self, request: LoadRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Yield the progress of a load, and `Loaded` at its end.

        Raises:
            GptNotebookError: it can't be loaded.
        """
        with self._runner.admitted(request.model) as entry:
            async for progress in self._runner.load(entry, hub_token, dtype=request.dtype, kinds=EVERY_KIND):
                yield progress
            yield Loaded(model=replace(entry.served.model.info(), name=entry.model))
            yield Done()

    def inspect(self, request: StreamRequest, *, hub_token: str | None = None) -> AsyncGenerator[AttentionEvent]:
        """Yield the events of an answer about the inside of a model; see `Inspection`."""
        return self._inspection.inspect(request, hub_token=hub_token)

    def array(self, request: ArrayRequest) -> AsyncGenerator[ArrayItem]:
        """Yield an array's shape, and then its elements as they are computed; see `Inspection`."""
        return self._inspection.array(request)

    # --- fine-tuning ------------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> Jobs:
        """The fine-tuning jobs."""
        return self._tuning.jobs

    async def preview(self, request: PreviewRequest, *, hub_token: str | None = None) -> Preview:
        """Return what a model would see of data, and what a job would take; see `Tuning`, as for what follows."""
        return await self._tuning.preview(request, hub_token=hub_token)

    def evaluate(self, request: EvaluateRequest, *, hub_token: str | None = None) -> AsyncGenerator[EvaluationEvent]:
        """Yield an `Evaluated` for each sample of data."""
        return self._tuning.evaluate(request, hub_token=hub_token)

    async def rename_adapter(self, request: RenameAdapterRequest) -> None:
        """Give an adapter, and the job that made it, another name; what is loaded of it leaves."""
        await self._tuning.rename_adapter(request)

    async def delete_adapter(self, request: DeleteAdapterRequest) -> None:
        """Delete an adapter, or one of its steps; what is loaded of it leaves."""
        await self._tuning.delete_adapter(request)

    def export(self, request: ExportRequest, *, hub_token: str | None = None) -> AsyncGenerator[ExportEvent]:
        """Yield the progress of an export, and `Exported` at its end."""
        return self._tuning.export(request, hub_token=hub_token)

    # --- letting go -------------------------------------------------------------------------------------------------

    def unload(self, model: str) -> None:
        """Give a model's memory back.

        Raises:
            ModelNotFound: it isn't loaded.
            ModelInUse: requests are using it.
        """
        name = self._models.name_of(model)
        self._models.unload(name)
        self._inspection.forget(name)

    def cancel(self, ids: tuple[str, ...] | None) -> int:
        """Stop the requests named, or all, before their next token; return how many there were."""
        return self._admission.cancel(ids)

    def close(self) -> None:
        """End all work and let the weights go; jobs go on by themselves."""
        self._tuning.close()
        self._runner.close()
        self._inspection.close()
