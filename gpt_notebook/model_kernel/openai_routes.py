"""The same warm weights in OpenAI's words, for the openai SDK, LangChain, curl and everything else that speaks them.

An adapter at the edge: bodies become our requests, our events become OpenAI's objects and chunks. OpenAI's tokens have no
ids, so a token whose text is no whole character is given by its bytes.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response

from gpt_notebook.errors import ContextLengthExceeded, InvalidRequest
from gpt_notebook.model_kernel.bodies import parsed
from gpt_notebook.model_kernel.event_stream import EventStream, sse_data, to_its_end, while_connected
from gpt_notebook.model_kernel.interface import EngineInterface
from gpt_notebook.model_kernel.openai_bodies import WHOLE_CONTEXT, ChatBody, CompletionBody
from gpt_notebook.protocol import (
    Event,
    Finished,
    GenerateRequest,
    Scored,
    ScoreRequest,
    Started,
    Token,
    Tokens,
    encode,
)

HubToken = Annotated[str | None, Header(alias="X-Hub-Token")]
Json = dict[str, Any]
END = b"data: [DONE]\n\n"


def router(engine: EngineInterface) -> APIRouter:
    """Return OpenAI's routes on an engine."""
    routes = APIRouter(prefix="/v1")

    @routes.get("/models")
    async def models() -> Response:
        data = [
            {"id": m.name, "object": "model", "created": 0, "owned_by": "gpt_notebook", "gpt_notebook": encode(m)}
            for m in await engine.available()
        ]
        return JSONResponse({"object": "list", "data": data})

    @routes.post("/completions")
    async def completions(
        request: Request, body: Annotated[CompletionBody, parsed(CompletionBody)], hub_token: HubToken = None
    ) -> Response:
        body.check()
        answer = _Completions(engine, body, hub_token)
        if body.stream:
            return await _streamed(request, answer.chunks())
        return JSONResponse(await while_connected(request, answer.whole()))

    @routes.post("/chat/completions")
    async def chat_completions(
        request: Request, body: Annotated[ChatBody, parsed(ChatBody)], hub_token: HubToken = None
    ) -> Response:
        body.check()
        answer = _ChatCompletions(engine, body, hub_token)
        if body.stream:
            return await _streamed(request, answer.chunks())
        return JSONResponse(await while_connected(request, answer.whole()))

    return routes


async def _streamed(request: Request, chunks: AsyncGenerator[Json]) -> Response:
    """Return the stream of chunks; what fails before the first one is an error response, later an error chunk.

    Raises:
        GptNotebookError: what happened before the first chunk.
        ClientDisconnect: nobody waited for it any more.
    """
    first = await while_connected(request, anext(chunks))

    async def rest() -> AsyncGenerator[bytes]:
        async for chunk in chunks:
            yield sse_data(chunk)
        yield END

    return EventStream(sse_data(first), to_its_end(rest(), lambda error: sse_data({"error": error.to_json()})))


async def _events(engine: EngineInterface, request: GenerateRequest, hub_token: str | None) -> AsyncIterator[Event]:
    """Yield the events of a generation; refuse one that can't be as long as was asked, as OpenAI does.

    Raises:
        ContextLengthExceeded: prompt and completion don't fit together.
    """
    async with aclosing(engine.generate(request, hub_token=hub_token)) as events:
        async for event in events:
            if isinstance(event, Started):
                _refuse_shortened(request, event)
            yield event


def _refuse_shortened(request: GenerateRequest, started: Started) -> None:
    asked, room = request.options.max_new_tokens, started.options.max_new_tokens
    if room < asked < WHOLE_CONTEXT:
        prompt = len(started.prompt_token_ids)
        message = (
            f"this model's context length is {prompt + room:,} tokens; you asked for {prompt + asked:,} "
            f"({prompt:,} in the prompt, {asked:,} for the completion): shorten one of them"
        )
        raise ContextLengthExceeded(message, param="max_tokens")


@dataclass
class _Choice:
    """One completion on its way."""

    tokens: list[Token]
    finish_reason: str | None = None

    @property
    def text(self) -> str:
        return _text(self.tokens)


def _text(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens if not token.special)


def _reason(reason: str) -> str:
    return "stop" if reason == "cancelled" else reason


def _usage(prompt: int, completion: int) -> Json:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


class _Answer:
    """What both kinds of completion share."""

    object: str
    chunk_object: str

    def __init__(
        self, engine: EngineInterface, model: str, requests: list[GenerateRequest], hub_token: str | None
    ) -> None:
        self._engine = engine
        self._requests = requests
        self._hub_token = hub_token
        self._head = {"id": "", "created": int(time.time()), "model": model}
        self._prompt_tokens = 0
        self._completion_tokens = 0

    async def _generate(self) -> AsyncIterator[tuple[int, Event]]:
        """Yield the events of all prompts one after the other, each with the index of its prompt's first choice."""
        for number, request in enumerate(self._requests):
            async with aclosing(_events(self._engine, request, self._hub_token)) as events:  # type: ignore[type-var]
                async for event in events:
                    match event:
                        case Started():
                            self._head["id"] = self._head["id"] or f"cmpl-{event.id}"
                            self._prompt_tokens += len(event.prompt_token_ids)
                        case Finished():
                            self._completion_tokens += event.usage.completion_tokens
                    yield number * request.options.n, event

    async def whole(self) -> Json:
        """Return the answer in one piece."""
        choices = [_Choice([]) for request in self._requests for _ in range(request.options.n)]
        async for first, event in self._generate():
            match event:
                case Tokens():
                    choices[first + event.index].tokens.extend(event.tokens)
                case Finished():
                    choices[first + event.index].finish_reason = _reason(event.finish_reason)
        made = [await self._choice(i, choice) for i, choice in enumerate(choices)]
        return {**self._head, "object": self.object, "choices": made, "usage": self._usage()}

    async def _choice(self, index: int, choice: _Choice) -> Json:
        raise NotImplementedError

    def _usage(self) -> Json:
        return _usage(self._prompt_tokens, self._completion_tokens)

    def _chunk(self, choices: list[Json]) -> Json:
        return {**self._head, "object": self.chunk_object, "choices": choices}


class _Completions(_Answer):
    object = "text_completion"
    chunk_object = "text_completion"

    def __init__(self, engine: EngineInterface, body: CompletionBody, hub_token: str | None) -> None:
        super().__init__(engine, body.model, body.requests(), hub_token)
        self._body = body
        self._echoes: dict[int, list[Token]] = {}

    async def _echo(self, index: int) -> list[Token]:
        """Return the tokens of the prompt of a choice, scored, when it is to be repeated."""
        if not self._body.echo:
            return []
        number = index // (self._body.n or 1)
        if number not in self._echoes:
            prompt = self._requests[number].prompt
            if prompt is None:
                message = "echo needs a prompt given as text"
                raise InvalidRequest(message, param="echo")
            request = ScoreRequest(model=self._body.model, prompts=(prompt,))
            async with aclosing(self._engine.score(request, hub_token=self._hub_token)) as events:
                scored = [event.score async for event in events if isinstance(event, Scored)]
            self._echoes[number] = list(scored[0].tokens) if prompt else []
        return self._echoes[number]

    async def _choice(self, index: int, choice: _Choice) -> Json:
        return self._json(index, await self._echo(index) + choice.tokens, choice.finish_reason, 0)

    def _json(self, index: int, tokens: Sequence[Token], finish_reason: str | None, offset: int) -> Json:
        logprobs = None if self._body.logprobs is None else self._logprobs(tokens, offset)
        return {"index": index, "text": _text(tokens), "logprobs": logprobs, "finish_reason": finish_reason}

    def _logprobs(self, tokens: Sequence[Token], offset: int) -> Json:
        """Return the older shape of logprobs: parallel lists; `offset` is where the first token's text begins."""
        offsets = []
        for token in tokens:
            offsets.append(offset)
            offset += len(token.text)
        return {
            "tokens": [token.text for token in tokens],
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [{top.text: top.logprob for top in token.top_logprobs} for token in tokens],
            "text_offset": offsets,
        }

    async def chunks(self) -> AsyncGenerator[Json]:
        """Yield the answer piece by piece."""
        offsets: dict[int, int] = {}
        async for first, event in self._generate():
            match event:
                case Tokens():
                    index = first + event.index
                    tokens = list(event.tokens)
                    if index not in offsets:
                        offsets[index] = 0
                        tokens = await self._echo(index) + tokens
                    yield self._chunk([self._json(index, tokens, None, offsets[index])])
                    offsets[index] += len(_text(tokens))
                case Finished():
                    index = first + event.index
                    yield self._chunk([self._json(index, [], _reason(event.finish_reason), offsets.get(index, 0))])
        if self._body.tells_usage:
            yield {**self._chunk([]), "usage": self._usage()}


class _ChatCompletions(_Answer):
    object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def __init__(self, engine: EngineInterface, body: ChatBody, hub_token: str | None) -> None:
        super().__init__(engine, body.model, [body.request()], hub_token)
        self._body = body

    def _logprobs(self, tokens: Sequence[Token]) -> Json | None:
        if not self._body.logprobs:
            return None
        return {"content": [_token(token) for token in tokens], "refusal": None}

    async def _choice(self, index: int, choice: _Choice) -> Json:
        reply = {"role": "assistant", "content": choice.text, "refusal": None}
        logprobs = self._logprobs(choice.tokens)
        return {"index": index, "message": reply, "logprobs": logprobs, "finish_reason": choice.finish_reason}

    async def chunks(self) -> AsyncGenerator[Json]:
        """Yield the answer piece by piece."""
        async for _, event in self._generate():
            match event:
                case Started():
                    for index in range(event.options.n):
                        yield self._delta(index, {"role": "assistant", "content": ""})
                case Tokens():
                    yield self._delta(event.index, {"content": _text(event.tokens)}, self._logprobs(event.tokens))
                case Finished():
                    yield self._delta(event.index, {}, finish_reason=_reason(event.finish_reason))
        if self._body.tells_usage:
            yield {**self._chunk([]), "usage": self._usage()}

    def _delta(self, index: int, delta: Json, logprobs: Json | None = None, finish_reason: str | None = None) -> Json:
        return self._chunk([{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}])


def _token(token: Token) -> Json:
    """Return a token in the newer shape of logprobs."""
    own = list(token.bytes) or list(token.text.encode())
    top = [{"token": t.text, "logprob": t.logprob, "bytes": list(t.text.encode())} for t in token.top_logprobs]
    return {"token": token.text, "logprob": token.logprob, "bytes": own, "top_logprobs": top}
