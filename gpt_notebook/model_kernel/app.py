"""The routes of the model kernel for our own clients: a request in, a result or a stream of events out.

Knows HTTP and the protocol, and nothing of torch: the engine may be a fake.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gpt_notebook import batch_protocol
from gpt_notebook.batch_protocol import BatchRequest
from gpt_notebook.errors import GptNotebookError, InvalidRequest, ModelKernelBusy, ModelKernelStopping
from gpt_notebook.identity import __version__, source_hash
from gpt_notebook.model_kernel import attention_routes, openai_routes
from gpt_notebook.model_kernel.bodies import parsed
from gpt_notebook.model_kernel.event_stream import stream, unexpected, while_connected
from gpt_notebook.model_kernel.guard import Guard, error_response
from gpt_notebook.model_kernel.interface import EngineInterface
from gpt_notebook.model_kernel.jobs import job_routes
from gpt_notebook.protocol import (
    CancelRequest,
    GenerateRequest,
    LoadRequest,
    NextRequest,
    ScoreRequest,
    Status,
    StopRequest,
    Token,
    TokenizeRequest,
    UnloadRequest,
    encode,
)
from gpt_notebook.settings import Settings

HubToken = Annotated[str | None, Header(alias="X-Hub-Token")]


@dataclass(eq=False)
class ModelKernel:
    """The one object with the state of the process."""

    engine: EngineInterface
    settings: Settings
    address: str
    leave: Callable[[], None]
    """Ends the process, once what it is writing is written."""
    stopping: bool = False
    started: float = field(default_factory=time.monotonic)

    def status(self) -> Status:
        """Return who we are and what we do."""
        return Status(
            state="stopping" if self.stopping else "ready",
            pid=os.getpid(),
            version=__version__,
            source_hash=source_hash(),
            prefix=sys.prefix,
            address=self.address,
            uptime=time.monotonic() - self.started,
            threads=self.engine.threads,
            idle_timeout=self.settings.idle_timeout,
            memory=self.engine.memory(),
            models=tuple(self.engine.loaded()),
            requests=tuple(self.engine.requests()),
            jobs=self.engine.jobs.current(),
        )

    def stop(self, *, force: bool) -> None:
        """Take no more work and leave.

        Raises:
            ModelKernelBusy: others use it; says how many, and how to stop it all the same.
        """
        running = len(self.engine.requests())
        if running and not force:
            message = (
                f"{running} request{'s are' if running > 1 else ' is'} running: wait, or stop it all the same with "
                "%gpt shutdown --force  (gpt-notebook stop --force)"
            )
            raise ModelKernelBusy(message)
        self.stopping = True
        self.engine.cancel(None)
        self.leave()


def create_app(kernel: ModelKernel, *, token: str, hosts: Collection[str] | None) -> Guard:
    """Return the guarded app of a model kernel; `token` and `hosts` are what `Guard` asks for."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        kernel.engine.jobs.begin()
        yield
        kernel.engine.close()

    # Were it no coroutine, every request would go through a pool of threads, which stay behind.
    async def refuse_while_stopping(request: Request) -> None:
        if kernel.stopping and request.method == "POST":
            message = "the model kernel is stopping: try again in a moment"
            raise ModelKernelStopping(message)

    app = FastAPI(
        title="gpt_notebook model kernel",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(refuse_while_stopping)],
    )
    app.add_exception_handler(GptNotebookError, _known)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _unknown)
    _add_streams(app, kernel.engine)
    _add_routes(app, kernel)
    app.include_router(attention_routes.router(kernel.engine))
    app.include_router(job_routes.router(kernel.engine))
    app.include_router(openai_routes.router(kernel.engine))
    return Guard(app, token=token, hosts=hosts, max_body=kernel.settings.max_body)


def _add_routes(app: FastAPI, kernel: ModelKernel) -> None:
    engine = kernel.engine

    @app.get("/health")
    async def health() -> Response:
        status = kernel.status()
        return JSONResponse(encode(status), 200 if status.state == "ready" else 503)

    @app.post("/v1/next")
    async def next_token(
        request: Request, body: Annotated[NextRequest, parsed(NextRequest)], hub_token: HubToken = None
    ) -> Response:
        tokens = await while_connected(request, engine.next(body, hub_token=hub_token))
        return await _tokens(tokens)

    @app.post("/v1/tokenize")
    async def tokenize(
        request: Request, body: Annotated[TokenizeRequest, parsed(TokenizeRequest)], hub_token: HubToken = None
    ) -> Response:
        tokens = await while_connected(request, engine.tokenize(body, hub_token=hub_token))
        return await _tokens(tokens)

    @app.get("/v1/adapters")
    async def adapters() -> Response:
        return JSONResponse({"adapters": [encode(each) for each in await engine.adapters()]})

    @app.post("/v1/unload")
    async def unload(body: Annotated[UnloadRequest, parsed(UnloadRequest)]) -> Response:
        engine.unload(body.model)
        return JSONResponse({})

    @app.post("/v1/cancel")
    async def cancel(body: Annotated[CancelRequest, parsed(CancelRequest)]) -> Response:
        return JSONResponse({"cancelled": engine.cancel(body.ids)})

    @app.post("/v1/stop")
    async def stop(body: Annotated[StopRequest, parsed(StopRequest)]) -> Response:
        kernel.stop(force=body.force)
        return JSONResponse({})


def _add_streams(app: FastAPI, engine: EngineInterface) -> None:
    @app.post("/v1/generate")
    async def generate(
        request: Request, body: Annotated[GenerateRequest, parsed(GenerateRequest)], hub_token: HubToken = None
    ) -> Response:
        return await stream(request, engine.generate(body, hub_token=hub_token))

    @app.post(batch_protocol.PATH)
    async def batch(
        request: Request, body: Annotated[BatchRequest, parsed(BatchRequest)], hub_token: HubToken = None
    ) -> Response:
        # A row comes whole, with all of its samples and their alternatives.
        return await stream(request, engine.batch(body, hub_token=hub_token), in_thread=True)

    @app.post("/v1/score")
    async def score(
        request: Request, body: Annotated[ScoreRequest, parsed(ScoreRequest)], hub_token: HubToken = None
    ) -> Response:
        return await stream(request, engine.score(body, hub_token=hub_token))

    @app.post("/v1/load")
    async def load(
        request: Request, body: Annotated[LoadRequest, parsed(LoadRequest)], hub_token: HubToken = None
    ) -> Response:
        return await stream(request, engine.load(body, hub_token=hub_token))


async def _tokens(tokens: list[Token]) -> Response:
    """Return tokens, of which there can be a million: one at a time and in a thread, so that nobody else waits."""

    def content() -> str:
        return f'{{"tokens": [{", ".join(json.dumps(encode(token)) for token in tokens)}]}}'

    return Response(await asyncio.to_thread(content), media_type="application/json")


async def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, GptNotebookError)  # noqa: S101 - it was registered for these
    return error_response(error)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it was registered for these
    reply = InvalidRequest(f"there is no {request.method} {request.url.path} here").to_json()
    return JSONResponse({"error": reply}, error.status_code)


async def _left(_: Request, __: Exception) -> Response:
    """Return what nobody will read."""
    return Response(status_code=499)


async def _unknown(_: Request, error: Exception) -> Response:
    return error_response(unexpected(error))
