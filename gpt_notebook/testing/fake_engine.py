"""An engine without a model: it says the text that a test gives it, token by token and no faster than the test wants.

Users find it in `gpt_notebook.testing`. Imports neither torch nor transformers. Longer than a file should be, because it
has every method of the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from gpt_notebook import adapter_files
from gpt_notebook.attention_protocol import ArrayRequest, StreamRequest
from gpt_notebook.attention_protocol import Event as AttentionEvent
from gpt_notebook.batch_protocol import BatchEvent, BatchRequest, BatchStarted, RowDone, RowFailed, RowSample
from gpt_notebook.errors import (
    ContextLengthExceeded,
    GptNotebookError,
    ModelInUse,
    ModelNotFound,
    RequestCancelled,
    TooManyRequests,
)
from gpt_notebook.job_events import EvaluationEvent, ExportEvent
from gpt_notebook.job_protocol import (
    DeleteAdapterRequest,
    EvaluateRequest,
    Exported,
    ExportRequest,
    Preview,
    PreviewRequest,
    RenameAdapterRequest,
)
from gpt_notebook.model_kernel.adapters import managing
from gpt_notebook.model_kernel.interface import ArrayItem
from gpt_notebook.protocol import (
    DEFAULT_MODEL,
    AdapterInfo,
    Done,
    Event,
    Finished,
    FinishReason,
    GenerateRequest,
    Loaded,
    LoadRequest,
    Memory,
    ModelInfo,
    NextRequest,
    Progress,
    RequestInfo,
    RequestState,
    SamplingOptions,
    Scored,
    ScoreRequest,
    Started,
    TextScore,
    Timing,
    Token,
    TokenizeRequest,
    Tokens,
    Usage,
)
from gpt_notebook.settings import GIB
from gpt_notebook.testing import fake_data
from gpt_notebook.testing.fake_inspection import FINGERPRINT, FakeInspection
from gpt_notebook.testing.fake_jobs import FakeJobs
from gpt_notebook.testing.fake_vocabulary import LOGPROB, FakeVocabulary, words
from gpt_notebook.testing.gate import Gate

Item = TypeVar("Item")

WAIT_SECONDS = 10.0
"""After this long a test that waits has failed."""
CONTEXT_LENGTH = 1024
SCORE = -1.0
"""The logprob of every token that is scored."""


@dataclass(eq=False)
class _Request:
    id: str
    model: str
    state: RequestState = "loading"
    prompt_tokens: int = 0
    generated: int = 0
    arrived: float = field(default_factory=time.monotonic)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


class FakeEngine:
    """Has the methods of the engine, and a text to say instead of a model.

    Its tokens are the words of a text, each with the space before it. What its heads attend to is in `fake_attention`.
    """

    def __init__(
        self,
        text: str | Sequence[str] = "Once upon a time there was a fox.",
        *,
        gate: Gate | None = None,
        error: GptNotebookError | None = None,
        fails_after: int | None = None,
        models: Sequence[str] = (DEFAULT_MODEL,),
        adapters: Sequence[AdapterInfo] = (),
        max_requests: int = 64,
        n_layers: int = 2,
        n_heads: int = 3,
        home: Path | None = None,
        max_data: int = GIB,
    ) -> None:
        """Say what is to happen.

        Args:
            text: what every generation says; of several texts, sample i says the i-th.
            gate: holds each token back until the test lets it pass, and so each event about the inside of a model,
                each row (block along the first axis) of an array, and each step of a fine-tuning; None: nothing waits.
            error: what every generation fails with, and every question about the inside of a model.
            fails_after: how many tokens, events or rows come before the error; None: not even the stream begins.
            models: the models that there are, the first of them loaded.
            adapters: the adapters that there are, said to be loaded or not.
            max_requests: more are refused.
            n_layers: how many layers every model has.
            n_heads: how many heads every layer has.
            home: where the directories of fine-tuning jobs are until it is closed; None: a temporary one.
            max_data: the most data in bytes that a fine-tuning may be given.
        """
        self.texts = [text] if isinstance(text, str) else list(text)
        self.gate = gate
        self.error = error
        self.fails_after = fails_after
        self.asked: list[object] = []
        """Every request, as it came."""
        self.hub_tokens: list[str | None] = []
        """The hub token of every request, None where there was none."""
        self.last_active = time.monotonic()
        self.threads = 1
        self._models = tuple(models)
        self._loaded = list(models[:1])
        self._adapters = tuple(adapters)
        self._max_requests = max_requests
        self._requests: dict[str, _Request] = {}
        self._vocabulary = FakeVocabulary()
        self._inspection = FakeInspection(
            models=self._models,
            n_layers=n_layers,
            n_heads=n_heads,
            context_length=CONTEXT_LENGTH,
            vocabulary=self._vocabulary,
            next_word=lambda: next(iter(words(self.texts[0])), ""),
        )
        self._changed = threading.Condition()
        home = home or Path(tempfile.gettempdir()) / f"gpt-fake-{secrets.token_hex(8)}"
        self.jobs = FakeJobs(home, models=self._models, gate=gate, asked=self.asked, max_data=max_data)
        """Its fine-tuning jobs, which do everything but train."""

    # --- what tests look at -----------------------------------------------------------------------------------------

    def wait_until(self, condition: Callable[[], bool], *, timeout: float = WAIT_SECONDS) -> None:
        """Wait, in another thread than the server's, until a condition on this engine holds.

        Raises:
            TimeoutError: it never did.
        """
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                message = f"nothing like it within {timeout:g} s; running: {self.requests()}"
                raise TimeoutError(message)

    @property
    def attentions_made(self) -> Counter[str]:
        """How often each attention was made for somebody who asked for it, by id; those of generations don't count."""
        return self._inspection.made

    def forget_attentions(self) -> None:
        """Forget every attention, as the real engine does when it needs the room."""
        self._inspection.forget()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # --- what the server asks ---------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a request is running."""
        return bool(self._requests)

    def requests(self) -> list[RequestInfo]:
        """Return what runs."""
        return [
            RequestInfo(
                id=each.id,
                model=each.model,
                state=each.state,
                prompt_tokens=each.prompt_tokens,
                generated_tokens=each.generated,
                seconds=time.monotonic() - each.arrived,
            )
            for each in list(self._requests.values())
        ]

    def loaded(self) -> list[ModelInfo]:
        """Return the loaded models."""
        return [self._info(name) for name in self._loaded]

    def memory(self) -> Memory:
        """Return that there is much room."""
        captures = self._inspection.bytes
        return Memory(device="cpu", budget=2**30, weights=0, process=2**20, captures=captures, captures_budget=2**30)

    async def available(self) -> list[ModelInfo]:
        """Return all models."""
        return [self._info(name) for name in self._models]

    async def adapters(self) -> list[AdapterInfo]:
        """Return all adapters, those that jobs have made included."""
        return [*self._adapters, *adapter_files.listing(self.jobs.home)]

    async def generate(self, request: GenerateRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Say the text.

        Raises:
            GptNotebookError: what the test asked for, or what the real engine would say to such a request.
        """
        with self._admitted(request, request.model, hub_token) as entry:
            if self.error is not None and self.fails_after is None:
                raise self.error
            prompt, ids = self._prompt(request)
            entry.prompt_tokens = len(ids)
            entry.state = "running"
            options = self._fitted(request.options, len(ids))
            yield Started(
                id=entry.id,
                model=request.model,
                fingerprint=FINGERPRINT,
                prompt=prompt,
                prompt_token_ids=tuple(ids),
                options=options,
            )
            begun = time.monotonic()
            said: list[list[int]] = [[] for _ in range(options.n)]
            async for event in self._say(entry, options):
                if isinstance(event, Tokens):
                    said[event.index] += [token.id for token in event.tokens]
                yield event
            if request.attention:
                for each in said:
                    self._inspection.keep(request.model, (*ids, *each))
            timing = Timing(queued=0.0, first_token=0.0, total=time.monotonic() - begun)
            yield Done(timing=timing)

    async def batch(self, request: BatchRequest, *, hub_token: str | None = None) -> AsyncGenerator[BatchEvent]:
        """Say the text to each prompt, one after the other.

        Raises:
            GptNotebookError: what the test asked for, or what the real engine would say to such a request.
        """
        with self._admitted(request, request.model, hub_token) as entry:
            if self.error is not None and self.fails_after is None:
                raise self.error
            entry.state = "running"
            yield BatchStarted(id=entry.id, model=request.model, fingerprint=FINGERPRINT)
            for index in range(len(request.prompts)):
                try:
                    if entry.cancelled.is_set():
                        message = "the batch was cancelled before this row: run it again"
                        raise RequestCancelled(message)
                    alone = request.alone(index)
                    text, ids = self._prompt(alone)
                    options = self._fitted(alone.options, len(ids))
                except GptNotebookError as error:
                    yield RowFailed(index=index, error=error.to_json())
                    continue
                entry.prompt_tokens = len(ids)
                samples = await self._samples(entry, options)
                yield RowDone(index=index, prompt=text, prompt_token_ids=tuple(ids), options=options, samples=samples)
            yield Done()

    async def _samples(self, entry: _Request, options: SamplingOptions) -> tuple[RowSample, ...]:
        """Return all samples, whole."""
        said: list[list[Token]] = [[] for _ in range(options.n)]
        ends: dict[int, Finished] = {}
        async for event in self._say(entry, options):
            if isinstance(event, Tokens):
                said[event.index] += event.tokens
            elif isinstance(event, Finished):
                ends[event.index] = event
        return tuple(
            RowSample(tokens=tuple(tokens), finish_reason=ends[i].finish_reason, usage=ends[i].usage)
            for i, tokens in enumerate(said)
        )

    async def _say(self, entry: _Request, options: SamplingOptions) -> AsyncGenerator[Event]:
        """Yield the tokens of all samples in turn, and how each of them ends."""
        scripts = [self._script(index, options) for index in range(options.n)]
        given = [0] * options.n
        running = set(range(options.n))
        while running:
            for index in sorted(running):
                tokens, reason = scripts[index]
                if given[index] < len(tokens) and not entry.cancelled.is_set():
                    await self._turn(entry)
                cancelled = entry.cancelled.is_set()
                if given[index] < len(tokens) and not cancelled:
                    given[index] += 1
                    entry.generated += 1
                    self._tell()
                    yield Tokens(index=index, tokens=(tokens[given[index] - 1],))
                if cancelled or given[index] == len(tokens):
                    running.discard(index)
                    usage = Usage(prompt_tokens=entry.prompt_tokens, completion_tokens=given[index])
                    yield Finished(index=index, finish_reason="cancelled" if cancelled else reason, usage=usage)

    async def _turn(self, entry: _Request) -> None:
        """Wait for the gate or for the end of the request, and fail where the test wants it."""
        if self.error is not None and entry.generated == self.fails_after:
            raise self.error
        if self.gate is None:
            await asyncio.sleep(0)
            return
        waits = {asyncio.ensure_future(self.gate.passed()), asyncio.ensure_future(entry.cancelled.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _script(self, index: int, options: SamplingOptions) -> tuple[list[Token], FinishReason]:
        """Return what a sample says, and why it ends there."""
        text = self.texts[index % len(self.texts)]
        starts = [start for start in (text.find(stop) for stop in options.stop) if start >= 0]
        said = words(text[: min(starts, default=len(text))])
        reason: FinishReason = "stop" if len(said) <= options.max_new_tokens else "length"
        return [
            self._vocabulary.token(word, LOGPROB, options.logprobs) for word in said[: options.max_new_tokens]
        ], reason

    async def score(self, request: ScoreRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Give every token the same logprob; the first of a text that nothing comes before has none."""
        with self._admitted(request, request.model, hub_token):
            for text in request.prompts if request.continuations is None else request.continuations:
                tokens = [self._vocabulary.token(word, SCORE, request.logprobs) for word in words(text)]
                if request.continuations is None and tokens:
                    tokens[0] = replace(tokens[0], logprob=None)
                yield Scored(score=TextScore(tokens=tuple(tokens), logprob=sum(t.logprob or 0.0 for t in tokens)))
            yield Done()

    async def load(self, request: LoadRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Load a model of no bytes."""
        with self._admitted(request, request.model, hub_token):
            yield Progress(stage="reading", model=request.model, done=1, total=2)
            if request.model not in self._loaded:
                self._loaded.append(request.model)
            yield Loaded(model=self._info(request.model))
            yield Done()

    async def next(self, request: NextRequest, *, hub_token: str | None = None) -> list[Token]:
        """Return the first word of the text, and made-up others."""
        with self._admitted(request, request.model, hub_token):
            return self._vocabulary.most_probable(words(self.texts[0])[0], request.k)

    async def tokenize(self, request: TokenizeRequest, *, hub_token: str | None = None) -> list[Token]:
        """Return the words."""
        with self._admitted(request, request.model, hub_token):
            return [self._vocabulary.token(word) for word in words(request.text)]

    async def inspect(self, request: StreamRequest, *, hub_token: str | None = None) -> AsyncGenerator[AttentionEvent]:
        """Answer a question about the inside of a model.

        Raises:
            GptNotebookError: what the test asked for, or what the real engine would say to such a request.
        """
        with self._admitted(request, self._inspection.model_of(request), hub_token) as entry:
            async for event in self._paced(entry, self._inspection.events(request)):
                yield event
            yield Done()

    async def array(self, request: ArrayRequest) -> AsyncGenerator[ArrayItem]:
        """Yield the shape of an array and then its rows.

        Raises:
            GptNotebookError: what the test asked for, or what the real engine would say to such a request.
        """
        with self._admitted(request, self._inspection.model_of(request), None) as entry:
            array = self._inspection.array(request)
            yield array.shape
            async for row in self._paced(entry, array):
                yield memoryview(row)

    async def _paced(self, entry: _Request, items: Iterable[Item]) -> AsyncGenerator[Item]:
        """Yield items no faster than the test wants, and fail where it wants."""
        if self.error is not None and self.fails_after is None:
            raise self.error
        entry.state = "running"
        for item in items:
            await self._turn(entry)
            if entry.cancelled.is_set():
                message = "the request was cancelled before its answer was complete"
                raise RequestCancelled(message)
            entry.generated += 1
            self._tell()
            yield item

    async def preview(self, request: PreviewRequest, *, hub_token: str | None = None) -> Preview:
        """Return what a model would see of data: its words."""
        with self._admitted(request, request.model, hub_token):
            return fake_data.preview(self.jobs.data.find(request.data), request, self._vocabulary)

    async def evaluate(
        self, request: EvaluateRequest, *, hub_token: str | None = None
    ) -> AsyncGenerator[EvaluationEvent]:
        """Yield an `Evaluated` for each row of data."""
        with self._admitted(request, request.model.partition("+")[0], hub_token) as entry:
            async for event in self._paced(entry, fake_data.evaluated(self.jobs.data.find(request.data))):
                yield event
            yield Done()

    async def rename_adapter(self, request: RenameAdapterRequest) -> None:
        """Give an adapter that a job has made another name."""
        self.asked.append(request)
        managing.rename(self.jobs.home, request.name, request.new_name)

    async def delete_adapter(self, request: DeleteAdapterRequest) -> None:
        """Delete an adapter that a job has made."""
        self.asked.append(request)
        managing.delete(self.jobs.home, request.name, request.step)

    async def export(self, request: ExportRequest, *, hub_token: str | None = None) -> AsyncGenerator[ExportEvent]:
        """Say that something was written, and write nothing."""
        with self._admitted(request, request.model.partition("+")[0], hub_token):
            yield Progress(stage="computing", model=request.model, done=1, total=2)
            files = ("config.json", "model.safetensors")
            yield Exported(directory=request.directory, files=files, bytes=2**20)
            yield Done()

    def unload(self, model: str) -> None:
        """Forget that a model is loaded.

        Raises:
            ModelNotFound: it isn't.
            ModelInUse: requests use it.
        """
        if model not in self._loaded:
            message = f"{model} is not loaded; loaded: {', '.join(self._loaded) or 'none'}"
            raise ModelNotFound(message)
        if any(each.model == model for each in self._requests.values()):
            message = f"{model} is in use: wait, or stop its requests with %gpt cancel"
            raise ModelInUse(message)
        self._loaded.remove(model)

    def cancel(self, ids: tuple[str, ...] | None) -> int:
        """Stop the requests named, or all."""
        found = [each for each in self._requests.values() if ids is None or each.id in ids]
        for each in found:
            each.cancelled.set()
        return len(found)

    def close(self) -> None:
        """End all work."""
        self.cancel(None)
        self.jobs.close()

    # --- how it makes things up -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _admitted(self, request: object, model: str, hub_token: str | None) -> Iterator[_Request]:
        self.asked.append(request)
        self.hub_tokens.append(hub_token)
        if len(self._requests) >= self._max_requests:
            message = f"{len(self._requests)} requests are running, which is the limit: try again in a moment"
            raise TooManyRequests(message)
        if model not in self._models:
            message = f"there is no model {model!r}; there are: {', '.join(self._models)}"
            raise ModelNotFound(message)
        entry = _Request(f"fake-{len(self.asked)}", model)
        self._requests[entry.id] = entry
        self._tell()
        try:
            yield entry
        finally:
            del self._requests[entry.id]
            self.last_active = time.monotonic()
            self._tell()

    def _prompt(self, request: GenerateRequest) -> tuple[str, list[int]]:
        if request.prompt_token_ids is not None:
            return "", list(request.prompt_token_ids)
        if request.messages is not None:
            text = "".join(f"{each.role}: {each.content}\n" for each in request.messages)
        else:
            text = request.prompt or ""
        return text, [self._vocabulary.id(word) for word in words(text)]

    def _fitted(self, options: SamplingOptions, prompt_tokens: int) -> SamplingOptions:
        room = CONTEXT_LENGTH - prompt_tokens
        if room < 1:
            message = (
                f"the prompt has {prompt_tokens:,} tokens and the model reads at most {CONTEXT_LENGTH:,}: shorten it"
            )
            raise ContextLengthExceeded(message, param="prompt")
        seed = 0 if options.seed is None else options.seed
        return replace(options, seed=seed, max_new_tokens=min(options.max_new_tokens, room))

    def _info(self, name: str) -> ModelInfo:
        return ModelInfo(
            name=name,
            source=name,
            loaded=name in self._loaded,
            fingerprint=FINGERPRINT,
            architecture="FakeEngine",
            dtype="float32",
            device="cpu",
            context_length=CONTEXT_LENGTH,
            in_use=sum(each.model == name for each in self._requests.values()),
        )
