"""The routes for the inside of a model: each request of `attention_protocol` has one, at the path given there.

Most answers are streams of events like those of the other routes; arrays are sent as their bytes.
"""

from __future__ import annotations

import typing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from gpt_notebook.attention_protocol import PATHS, ArrayRequest
from gpt_notebook.model_kernel.array_stream import array_response
from gpt_notebook.model_kernel.bodies import parsed
from gpt_notebook.model_kernel.event_stream import stream
from gpt_notebook.model_kernel.interface import EngineInterface

HubToken = Annotated[str | None, Header(alias="X-Hub-Token")]


def router(engine: EngineInterface) -> APIRouter:
    """Return the routes on an engine."""
    routes = APIRouter()
    for kind, path in PATHS.items():
        add = _add_array if kind in typing.get_args(ArrayRequest) else _add_stream
        add(routes, path, engine, parsed(kind))
    return routes


def _add_stream(routes: APIRouter, path: str, engine: EngineInterface, read: Any) -> None:
    @routes.post(path)
    async def answer(request: Request, hub_token: HubToken = None, body: Any = read) -> Response:
        return await stream(request, engine.inspect(body, hub_token=hub_token), in_thread=True)


def _add_array(routes: APIRouter, path: str, engine: EngineInterface, read: Any) -> None:
    @routes.post(path)
    async def answer(request: Request, body: Any = read) -> Response:
        return await array_response(request, engine.array(body))
