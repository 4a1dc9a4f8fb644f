"""Questions about the inside of the models: requests in, events or an array out.

An attention is recorded once and kept; what is asked of it is computed by the scheduler's thread, patiently. Where the
answer needs the model again (its values, a lens, a family that can't be recorded), it must be the same weights.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from gpt_notebook.attention_protocol import (
    AblateRequest,
    ArrayRequest,
    AttentionRequest,
    Captured,
    DiffRequest,
    Event,
    LensRequest,
    PatchRequest,
    ScoresRequest,
    StreamRequest,
)
from gpt_notebook.errors import ModelChanged
from gpt_notebook.model_kernel.admission import Request
from gpt_notebook.model_kernel.attention.capture import Capture, identify
from gpt_notebook.model_kernel.attention.captures import Captures
from gpt_notebook.model_kernel.attention.patch_texts import patch_texts
from gpt_notebook.model_kernel.attention.patching import Patching
from gpt_notebook.model_kernel.attention.questions import work_for
from gpt_notebook.model_kernel.attention.recording import Recording
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.attention.texts import text_of
from gpt_notebook.model_kernel.interface import ArrayItem
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.model_config import EVERY_KIND
from gpt_notebook.model_kernel.models import device_memory, give_back_freed
from gpt_notebook.model_kernel.runner import Runner
from gpt_notebook.model_kernel.scheduler import Work
from gpt_notebook.protocol import Done
from gpt_notebook.settings import MIB, Settings

BUDGET_SHARE = 0.1
LARGE = 32 * MIB
"""An array of which the memory is given back once it has been sent."""


class Inspection:
    """Everything that can be asked about the inside of the models."""

    def __init__(self, settings: Settings, runner: Runner) -> None:
        """Begin with nothing recorded."""
        self._runner = runner
        budget = settings.attention_budget or int(device_memory(runner.models.device) * BUDGET_SHARE)
        self.captures = Captures(budget)

    # --- answers that are streams of events -------------------------------------------------------------------------

    async def inspect(self, request: StreamRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Yield the events of an answer.

        Raises:
            GptNotebookError: it can't be given, or failed on the way.
        """
        if isinstance(request, AttentionRequest):
            answer = self._record(request, hub_token)
        elif isinstance(request, PatchRequest):
            answer = self._patch(request, hub_token)
        else:
            answer = self._ask(request)
        async with contextlib.aclosing(answer) as events:
            async for event in events:
                yield event
        yield Done()

    async def _record(self, request: AttentionRequest, hub_token: str | None) -> AsyncGenerator[Event]:
        with self._runner.admitted(request.model) as entry:
            async for progress in self._runner.load(entry, hub_token, kinds=EVERY_KIND):
                yield progress
            served = entry.served
            model = served.model
            if request.fingerprint not in ("", served.fingerprint):
                raise _changed(model, "name a model= to look with the weights that there are now")
            with served.used():
                text = await asyncio.to_thread(text_of, model, request)
                entry.prompt_tokens = len(text.token_ids)
                capture = self.captures.find(identify(served.fingerprint, served.name, text))
                if capture is None:
                    async for event in self._run(entry, Recording(served, text, self.captures.budget)):
                        if isinstance(event, Capture):
                            capture = event
                        else:
                            yield event
                assert capture is not None  # noqa: S101 - the work ended without an error
                capture.brief = request.brief
                self.captures.keep(capture)
                await asyncio.to_thread(give_back_freed, model.device)  # The cache of the pass has just left.
                causal = model.kind == "causal"
                yield Captured(attention=await asyncio.to_thread(capture.info, model.vocabulary, causal=causal))

    async def _patch(self, request: PatchRequest, hub_token: str | None) -> AsyncGenerator[Event]:
        with self._runner.admitted(request.model) as entry:
            async for progress in self._runner.load(entry, hub_token):
                yield progress
            model = entry.served.model
            with entry.served.used():
                texts = await asyncio.to_thread(patch_texts, model, request)
                work = Patching(model, texts.clean, texts.corrupt, answer=texts.answer, wrong=texts.wrong)
                async for event in self._run(entry, work):
                    yield event

    async def _ask(self, request: ScoresRequest | DiffRequest | LensRequest | AblateRequest) -> AsyncGenerator[Event]:
        async with self._asked(request.attention) as (entry, source), contextlib.AsyncExitStack() as stack:
            other = None
            if isinstance(request, DiffRequest):
                other = await stack.enter_async_context(self._source(entry.beside(), request.other))
            async for event in self._run(entry, work_for(request, source, other)):
                yield event

    async def _run(self, entry: Request, work: Work) -> AsyncGenerator[Any]:
        """Yield what work emits; closing this cancels it."""
        async with contextlib.aclosing(self._runner.run(entry, work)) as events:
            async for event in events:
                yield event

    # --- answers that are arrays ------------------------------------------------------------------------------------

    async def array(self, request: ArrayRequest) -> AsyncGenerator[ArrayItem]:
        """Yield an array's shape, and then its float32 elements in C order, as they are computed.

        Raises:
            GptNotebookError: it can't be given, or failed on the way.
        """
        async with self._asked(request.attention) as (entry, source):
            sent = 0
            try:
                async for item in self._run(entry, work_for(request, source)):
                    sent += len(item) if isinstance(item, memoryview) else 0
                    yield item
            finally:
                if sent > LARGE:
                    await asyncio.to_thread(give_back_freed, source.model.device)

    # --- finding what a question is about ---------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _asked(self, capture_id: str) -> AsyncIterator[tuple[Request, MapSource]]:
        """Let a question in; yield its entry and what it is about.

        Raises:
            AttentionNotFound: the attention is not kept any more.
            ModelChanged: the model's files have been saved again.
        """
        with self._runner.admitted(self.captures.get(capture_id).model) as entry:
            async with self._source(entry, capture_id) as source:
                yield entry, source

    @contextlib.asynccontextmanager
    async def _source(self, entry: Request, capture_id: str) -> AsyncIterator[MapSource]:
        """Yield an attention and the model with the weights that it is of."""
        capture = self.captures.get(capture_id)
        entry.model = capture.model
        served = await self._runner.loaded(entry, kinds=EVERY_KIND)
        base = capture.fingerprint.partition("+")[0]
        if served.model.fingerprint != base:
            # It may have left since, and come back in the dtype that its weights are stored in.
            weights, dtype = base.rsplit("-", 1)
            if served.model.fingerprint.startswith(weights):
                served = await self._runner.loaded(entry, kinds=EVERY_KIND, dtype=dtype)
        if served.fingerprint != capture.fingerprint:
            raise _changed(served.model, "make it again with gpt.attention(…)")
        with served.used():
            try:
                yield MapSource(capture, served)
            finally:
                self.captures.recount(capture)

    def forget(self, model: str) -> None:
        """Let the attentions of a model go."""
        self.captures.forget(model)

    def close(self) -> None:
        """Let everything go."""
        self.captures.close()


def _changed(model: LoadedModel, advice: str) -> ModelChanged:
    return ModelChanged(f"the weights of {model.source.name} have changed since: {advice}")
