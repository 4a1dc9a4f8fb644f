"""The routes for fine-tuning: each request of `job_protocol` has one, at the path given there; and data come in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from gpt_notebook.job_protocol import (
    DATA_PATH,
    LIST_PATH,
    PATHS,
    CommandRequest,
    DeleteAdapterRequest,
    EvaluateRequest,
    EventsRequest,
    ExportRequest,
    ForgetRequest,
    JobRequest,
    PreviewRequest,
    RenameAdapterRequest,
)
from gpt_notebook.model_kernel.bodies import parsed
from gpt_notebook.model_kernel.event_stream import stream, while_connected
from gpt_notebook.model_kernel.interface import EngineInterface
from gpt_notebook.protocol import encode

HubToken = Annotated[str | None, Header(alias="X-Hub-Token")]
Answer = Callable[[Any, str | None], Awaitable[Any]]
"""Takes a request and the hub's token."""


def router(engine: EngineInterface) -> APIRouter:
    """Return the routes on an engine."""
    routes = APIRouter()
    jobs = engine.jobs
    answers: dict[type[Any], Answer] = {
        JobRequest: lambda body, token: jobs.start(body, hub_token=token),
        CommandRequest: lambda body, _: jobs.command(body),
        ForgetRequest: lambda body, _: jobs.forget(body),
        PreviewRequest: lambda body, token: engine.preview(body, hub_token=token),
        RenameAdapterRequest: lambda body, _: engine.rename_adapter(body),
        DeleteAdapterRequest: lambda body, _: engine.delete_adapter(body),
    }
    for kind, answer in answers.items():
        _add_answer(routes, kind, answer)
    _add_streams(routes, engine)

    @routes.post(DATA_PATH)
    async def data(request: Request) -> Response:
        return await _json(await jobs.keep(request.stream()))

    @routes.get(LIST_PATH)
    async def listing(job: str | None = None) -> Response:
        return await _json({"jobs": await jobs.listing(job)})

    return routes


def _add_answer(routes: APIRouter, kind: type[Any], answer: Answer) -> None:
    read = parsed(kind)

    @routes.post(PATHS[kind])
    async def route(request: Request, hub_token: HubToken = None, body: Any = read) -> Response:
        return await _json(await while_connected(request, answer(body, hub_token)))


async def _json(answer: Any) -> Response:
    """Return an answer, written in a thread: a list of jobs with their checkpoints can be long."""

    def content() -> bytes:
        return json.dumps(answer if answer is not None else {}, default=encode).encode()

    return Response(await asyncio.to_thread(content), media_type="application/json")


def _add_streams(routes: APIRouter, engine: EngineInterface) -> None:
    @routes.post(PATHS[EventsRequest])
    async def events(request: Request, body: Annotated[EventsRequest, parsed(EventsRequest)]) -> Response:
        return await stream(request, engine.jobs.events(body), in_thread=True)

    @routes.post(PATHS[EvaluateRequest])
    async def evaluate(
        request: Request, body: Annotated[EvaluateRequest, parsed(EvaluateRequest)], hub_token: HubToken = None
    ) -> Response:
        return await stream(request, engine.evaluate(body, hub_token=hub_token))

    @routes.post(PATHS[ExportRequest])
    async def export(
        request: Request, body: Annotated[ExportRequest, parsed(ExportRequest)], hub_token: HubToken = None
    ) -> Response:
        return await stream(request, engine.export(body, hub_token=hub_token))
