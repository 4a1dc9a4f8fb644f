"""An engine without a model: it says the text that a test gives it, token by token and no faster than the test wants.

Users find it in `gpt_notebook.testing`. Imports neither torch nor transformers.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from gpt_notebook.errors import ContextLengthExceeded, GptNotebookError, ModelInUse, ModelNotFound, TooManyRequests
from gpt_notebook.protocol import (
    DEFAULT_MODEL,
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
    TopLogprob,
    Usage,
)

WAIT_SECONDS = 10.0
"""After this long a test that waits has failed."""
CONTEXT_LENGTH = 1024
LOGPROB = -0.5
"""Of every token that is generated; each alternative has one less than the one before."""
SCORE = -1.0
"""The logprob of every token that is scored."""


class Gate:
    """Holds tokens back until they are let through; may be used from any thread."""

    def __init__(self) -> None:
        """Begin closed."""
        self._lock = threading.Lock()
        self._allowed = 0
        self._open = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def let(self, count: int = 1) -> None:
        """Let so many more tokens pass."""
        with self._lock:
            self._allowed += count
            self._wake()

    def open(self) -> None:
        """Let everything pass from now on."""
        with self._lock:
            self._open = True
            self._wake()

    def _wake(self) -> None:
        for loop, future in self._waiting:
            loop.call_soon_threadsafe(_resolve, future)
        self._waiting.clear()

    async def passed(self) -> None:
        """Wait for a turn."""
        while True:
            loop = asyncio.get_running_loop()
            turn = loop.create_future()
            with self._lock:
                if self._open or self._allowed:
                    self._allowed -= not self._open
                    return
                self._waiting.append((loop, turn))
            await turn


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


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

    Its tokens are the words of a text, each with the space before it.
    """

    def __init__(
        self,
        text: str | Sequence[str] = "Once upon a time there was a fox.",
        *,
        gate: Gate | None = None,
        error: GptNotebookError | None = None,
        fails_after: int | None = None,
        models: Sequence[str] = (DEFAULT_MODEL,),
        max_requests: int = 64,
    ) -> None:
        """Say what is to happen.

        Args:
            text: what every generation says; of several texts, sample i says the i-th.
            gate: holds each token back until the test lets it pass; None: nothing waits.
            error: what every generation fails with.
            fails_after: how many tokens come before the error; None: not even the stream begins.
            models: the models that there are, the first of them loaded.
            max_requests: more are refused.
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
        self._max_requests = max_requests
        self._requests: dict[str, _Request] = {}
        self._ids: dict[str, int] = {}
        self._changed = threading.Condition()

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
        return Memory(device="cpu", budget=2**30, weights=0, process=2**20)

    async def available(self) -> list[ModelInfo]:
        """Return all models."""
        return [self._info(name) for name in self._models]

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
                fingerprint="fake-float32",
                prompt=prompt,
                prompt_token_ids=tuple(ids),
                options=options,
            )
            begun = time.monotonic()
            async for event in self._say(entry, options):
                yield event
            timing = Timing(queued=0.0, first_token=0.0, total=time.monotonic() - begun)
            yield Done(timing=timing)

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
        words = _words(text[: min(starts, default=len(text))])
        reason: FinishReason = "stop" if len(words) <= options.max_new_tokens else "length"
        return [self._token(word, LOGPROB, options.logprobs) for word in words[: options.max_new_tokens]], reason

    async def score(self, request: ScoreRequest, *, hub_token: str | None = None) -> AsyncGenerator[Event]:
        """Give every token the same logprob; the first of a text that nothing comes before has none."""
        with self._admitted(request, request.model, hub_token):
            for text in request.prompts if request.continuations is None else request.continuations:
                tokens = [self._token(word, SCORE) for word in _words(text)]
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
            first = self._token(_words(self.texts[0])[0], LOGPROB, request.k)
            return [Token(id=top.id, text=top.text, logprob=top.logprob) for top in first.top_logprobs]

    async def tokenize(self, request: TokenizeRequest, *, hub_token: str | None = None) -> list[Token]:
        """Return the words."""
        with self._admitted(request, request.model, hub_token):
            return [self._token(word) for word in _words(request.text)]

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
        return text, [self._id(word) for word in _words(text)]

    def _fitted(self, options: SamplingOptions, prompt_tokens: int) -> SamplingOptions:
        room = CONTEXT_LENGTH - prompt_tokens
        if room < 1:
            message = (
                f"the prompt has {prompt_tokens:,} tokens and the model reads at most {CONTEXT_LENGTH:,}: shorten it"
            )
            raise ContextLengthExceeded(message, param="prompt")
        seed = 0 if options.seed is None else options.seed
        return replace(options, seed=seed, max_new_tokens=min(options.max_new_tokens, room))

    def _id(self, word: str) -> int:
        return self._ids.setdefault(word, len(self._ids))

    def _token(self, word: str, logprob: float | None = None, alternatives: int = 0) -> Token:
        texts = [word, *(f" other{i}" for i in range(1, alternatives))][:alternatives]
        top = tuple(TopLogprob(id=self._id(text), text=text, logprob=LOGPROB - i) for i, text in enumerate(texts))
        return Token(id=self._id(word), text=word, logprob=logprob, top_logprobs=top)

    def _info(self, name: str) -> ModelInfo:
        return ModelInfo(
            name=name,
            source=name,
            loaded=name in self._loaded,
            fingerprint="fake-float32",
            architecture="FakeEngine",
            dtype="float32",
            device="cpu",
            context_length=CONTEXT_LENGTH,
            in_use=sum(each.model == name for each in self._requests.values()),
        )


def _words(text: str) -> list[str]:
    """Return the words with the space before each; joined they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)
