"""Questions about the inside of the models: requests in, events or an array out.

An attention is recorded once and kept; what is asked of it is computed by the scheduler's thread, patiently. Where the
answer needs the model again (its values, a lens, a family that can't be recorded), it must be the same weights.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, assert_never

from gpt_notebook.attention_protocol import (
    AblateRequest,
    ArrayRequest,
    AttentionInfo,
    AttentionPart,
    AttentionRequest,
    Captured,
    DiffRequest,
    Event,
    LensRequest,
    MapRequest,
    OverviewRequest,
    Part,
    PatchRequest,
    ScoresRequest,
    StreamRequest,
    TensorRequest,
)
from gpt_notebook.errors import ModelChanged
from gpt_notebook.model_kernel.admission import Request
from gpt_notebook.model_kernel.attention import arrays, patch_texts, places
from gpt_notebook.model_kernel.attention.captures import Captures
from gpt_notebook.model_kernel.attention.hidden import HiddenStates
from gpt_notebook.model_kernel.attention.interventions import Ablation
from gpt_notebook.model_kernel.attention.lens import LogitLens
from gpt_notebook.model_kernel.attention.patching import Patching
from gpt_notebook.model_kernel.attention.recording import Capture, Recording, identify
from gpt_notebook.model_kernel.attention.scores import Difference, Scores
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.attention.texts import text_of
from gpt_notebook.model_kernel.loading import LoadedModel
from gpt_notebook.model_kernel.model_config import EVERY_KIND
from gpt_notebook.model_kernel.models import device_memory, give_back_freed
from gpt_notebook.model_kernel.runner import Runner
from gpt_notebook.model_kernel.scheduler import Work
from gpt_notebook.protocol import Done
from gpt_notebook.settings import Settings

BUDGET_SHARE = 0.1


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
            model = entry.loaded
            if request.fingerprint not in ("", model.fingerprint):
                raise _changed(model)
            with model.used():
                text = await asyncio.to_thread(text_of, model, request)
                entry.prompt_tokens = len(text.token_ids)
                capture = self.captures.find(identify(model.fingerprint, model.source.name, text))
                if capture is None:
                    async for event in self._run(entry, Recording(model, text, self.captures.budget), model):
                        if isinstance(event, Capture):
                            capture = event
                        else:
                            yield event
                assert capture is not None  # noqa: S101 - the work ended without an error
                self.captures.keep(capture)
                await asyncio.to_thread(give_back_freed, model.device)  # The cache of the pass has just left.
                yield Captured(attention=await asyncio.to_thread(info, capture, model))

    async def _patch(self, request: PatchRequest, hub_token: str | None) -> AsyncGenerator[Event]:
        with self._runner.admitted(request.model) as entry:
            async for progress in self._runner.load(entry, hub_token):
                yield progress
            model = entry.loaded
            with model.used():
                texts = await asyncio.to_thread(patch_texts.patch_texts, model, request)
                work = Patching(model, texts.clean, texts.corrupt, answer=texts.answer, wrong=texts.wrong)
                async for event in self._run(entry, work, model):
                    yield event

    async def _ask(self, request: ScoresRequest | DiffRequest | LensRequest | AblateRequest) -> AsyncGenerator[Event]:
        async with self._asked(request.attention) as (entry, source), contextlib.AsyncExitStack() as stack:
            model, ids = source.model, source.capture.text.token_ids
            work: Work
            match request:
                case ScoresRequest():
                    places.check_part(source.capture.layout, source.capture.model, request.part)
                    work = Scores(source, request.part, request.kinds, request.queries, request.keys)
                case DiffRequest():
                    other = await stack.enter_async_context(self._source(entry.beside(), request.other))
                    for each in (source.capture, other.capture):
                        places.check_part(each.layout, each.model, request.part)
                    work = Difference(source, other, request.part)
                case LensRequest():
                    work = LogitLens(model, ids, position=request.position, k=request.k)
                case AblateRequest():
                    work = Ablation(model, ids, request.heads, position=request.position, k=request.k)
                case _:
                    assert_never(request)
            async for event in self._run(entry, work, model):
                yield event

    async def _run(self, entry: Request, work: Work, model: LoadedModel) -> AsyncGenerator[Any]:
        """Yield what work emits; closing this cancels it."""
        async with contextlib.aclosing(self._runner.run(entry, work, small=model.is_small)) as events:
            async for event in events:
                yield event

    # --- answers that are arrays ------------------------------------------------------------------------------------

    async def array(self, request: ArrayRequest) -> AsyncGenerator[tuple[int, ...] | memoryview]:
        """Yield an array's shape, and then its float32 elements in C order, as they are computed.

        Raises:
            GptNotebookError: it can't be given, or failed on the way.
        """
        async with self._asked(request.attention) as (entry, source):
            async for item in self._run(entry, _array_work(request, source), source.model):
                yield item

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
        model = await self._runner.loaded(entry, kinds=EVERY_KIND)
        if model.fingerprint != capture.fingerprint:
            raise _changed(model)
        with model.used():
            yield MapSource(capture, model)
            if capture.extras or capture.tapped:
                self.captures.keep(capture)  # Answering may have added to them, which counts.

    def close(self) -> None:
        """Let everything go."""
        self.captures.close()


def _changed(model: LoadedModel) -> ModelChanged:
    message = (
        f"the weights of {model.source.name} have changed since this attention was made: make it again with "
        "gpt.attention(…)"
    )
    return ModelChanged(message)


def _array_work(request: ArrayRequest, source: MapSource) -> Work:
    """Return the work that computes an array.

    Raises:
        InvalidRequest: a part, layer, head or position that isn't there.
    """
    part, capture, model = request.part, source.capture, source.model
    places.check_part(capture.layout, capture.model, part)
    match request:
        case MapRequest():
            places.check_head(capture.layout, capture.model, part, request.layer, request.head)
            return arrays.Map(
                source,
                (part, request.layer),
                request.head,
                queries=places.interval("queries", request.queries, source.n_queries(part)),
                keys=places.interval("keys", request.keys, source.n_keys(part)),
                values=request.values,
                hide_sink=request.hide_sink,
            )
        case OverviewRequest():
            layers = range(capture.layout.layers(part)) if request.layers is None else request.layers
            places.check_layers(capture.layout, capture.model, part, layers)
            places.check_heads(capture.layout, capture.model, part, layers, request.heads or ())
            return arrays.Overview(
                source,
                part,
                layers,
                size=request.size,
                reduction=request.reduction,
                heads=request.heads,
                queries=places.interval("queries", request.queries, source.n_queries(part)),
                keys=places.interval("keys", request.keys, source.n_keys(part)),
                hide_sink=request.hide_sink,
            )
        case TensorRequest(name="hidden"):
            text = capture.text
            return HiddenStates(model, text.token_ids, request.layer, part=part, target_token_ids=text.target_ids)
        case TensorRequest():
            places.check_head(capture.layout, capture.model, part, request.layer, request.head)
            return arrays.Tensor(capture, model, (part, request.layer), request.name, request.head or 0)
        case _:
            assert_never(request)


def info(capture: Capture, model: LoadedModel) -> AttentionInfo:
    """Return what people want to know of an attention."""
    layout, text = capture.layout, capture.text
    return AttentionInfo(
        id=capture.id,
        model=capture.model,
        fingerprint=capture.fingerprint,
        tokens=tuple(model.vocabulary.tokens(text.token_ids)),
        target_tokens=tuple(model.vocabulary.tokens(text.target_ids)) if text.target_ids else (),
        n_layers=layout.n_layers,
        n_heads=max(count for heads in layout.parts.values() for count in heads.count.values()),
        parts=tuple(_part(capture, name) for name in layout.parts),
        causal=model.kind == "causal",
        bytes=capture.bytes,
    )


def _part(capture: Capture, name: Part) -> AttentionPart:
    heads, layers = capture.layout.parts[name], range(capture.layout.layers(name))
    return AttentionPart(
        name=name,
        heads=tuple(heads.count.get(layer, 0) for layer in layers),
        key_heads=tuple(heads.key_count.get(layer, 0) for layer in layers),
        scaling=tuple(heads.scaling.get(layer) for layer in layers),
        n_queries=capture.text.length(name, keys=False),
        n_keys=capture.text.length(name, keys=True),
    )
