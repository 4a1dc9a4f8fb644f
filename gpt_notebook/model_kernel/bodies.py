"""Reading a request's body: JSON of a known shape, or one line that says what is wrong with it."""

from __future__ import annotations

from typing import Any, TypeVar

import pydantic
from fastapi import Depends, Request

from gpt_notebook.errors import InvalidRequest

Body = TypeVar("Body")


def parsed(kind: type[Body]) -> Any:
    """Return the dependency that reads a body as `kind`, strictly.

    The dependency raises:
        InvalidRequest: not JSON, or not what `kind` takes; names the field.
    """
    adapter = pydantic.TypeAdapter(kind)

    async def read(request: Request) -> Body:
        try:
            return adapter.validate_json(await request.body())
        except pydantic.ValidationError as error:
            raise invalid(error) from None

    return Depends(read)


def invalid(error: pydantic.ValidationError) -> InvalidRequest:
    """Return pydantic's first complaint as one line."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    value = "" if first["type"] == "json_invalid" else f" ({repr(first['input'])[:80]})"
    return InvalidRequest(f"{place or 'the body'}: {first['msg']}{value}", param=place or None)
