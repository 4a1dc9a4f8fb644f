"""Exports: what is asked for is checked here, and done by a process of its own (`gpt_notebook.exporting`).

The process writes into a directory beside the one that was asked for, which gets its name once everything is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

from gpt_notebook import adapter_files, adapter_places
from gpt_notebook.errors import (
    GptNotebookError,
    InvalidRequest,
    ModelNotFound,
    OutOfMemory,
    RequestCancelled,
    from_json,
)
from gpt_notebook.job_events import ExportEvent
from gpt_notebook.job_protocol import Exported, ExportRequest
from gpt_notebook.model_kernel import fetching, hub, weights
from gpt_notebook.model_kernel.adapters.lora import Lora
from gpt_notebook.protocol import Done, Progress, decode
from gpt_notebook.settings import HUB_TOKENS

LOOKED_AFTER = 0.1
"""Seconds between two looks whether somebody has cancelled it."""
LINE_LIMIT = 1024**2
LAST_WORDS = 300
"""Characters of what a process said before it ended without a word of ours."""
SECRETS = ("GPT_NOTEBOOK_TOKEN", *HUB_TOKENS)


async def export(
    request: ExportRequest, *, home: Path, hub_token: str | None, cancelled: Callable[[], bool]
) -> AsyncGenerator[ExportEvent]:
    """Yield the progress of an export, and `Exported` at its end; closing this leaves nothing behind.

    Args:
        request: what to write, and where.
        home: where models and adapters are that have a name.
        hub_token: for a base that has to be fetched.
        cancelled: whether somebody has stopped it.

    Raises:
        InvalidRequest: the directory can't be one to write into.
        ModelError: there is no such model or adapter, or it can't be exported.
        OutOfMemory: a merge takes more than the machine has.
        RequestCancelled: somebody stopped it.
    """
    target = await asyncio.to_thread(_checked, request.directory, home)
    order = await asyncio.to_thread(_order, request, home, hub_token)
    yield Progress(stage="reading", model=request.model)
    draft = target.with_name(f".tmp-{target.name}-{secrets.token_hex(4)}")
    try:
        await asyncio.to_thread(_make, draft)
        async with contextlib.aclosing(_progress({**order, "target": str(draft)}, cancelled)) as events:
            async for event in events:
                yield event
        files = await asyncio.to_thread(_put, draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    yield Exported(directory=str(target), files=tuple(files), bytes=sum(files.values()))
    yield Done()


def _checked(directory: str, home: Path) -> Path:
    """Return where to write.

    Raises:
        InvalidRequest: something is there, it is no absolute path, or among what trainings keep.
    """
    named = Path(directory)
    if not named.is_absolute() or "\0" in directory:
        message = f"the directory of an export must be an absolute path, not {directory[:200]!r}"
        raise InvalidRequest(message, param="directory")
    try:
        target = named.resolve()
        jobs = (home / "jobs").resolve()
        if target.is_relative_to(jobs):
            message = (
                f"{named} is among the jobs in {jobs}, which are kept by those who train: choose another directory"
            )
            raise InvalidRequest(message, param="directory")
        if named.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
            message = f"{named} is there already: name a directory that is not there yet, or an empty one"
            raise InvalidRequest(message, param="directory")
    except OSError as error:
        raise _unwritable(named, error) from error
    return target


def _order(request: ExportRequest, home: Path, hub_token: str | None) -> dict[str, Any]:
    """Return what the process is to do, and see that it can.

    Raises:
        ModelError: there is no such model or adapter, or it can't be exported.
    """
    base, adapter = adapter_places.split(request.model)
    order: dict[str, Any] = {"model": request.model, "base": base, "merged": request.merged}
    if adapter is None:
        source = weights.local(base, home / "models")
        if source is None:
            if mistaken := adapter_places.mistaken(base, home):
                raise ModelNotFound(mistaken)
            message = f"{base} is a model of the hub, where others find it: export one with an adapter, as {base}+NAME"
            raise ModelNotFound(message)
        weights.check(source)
        return {**order, "name": Path(base).name, "source": str(source.directory)}
    place = adapter_places.locate(adapter, home)
    # Nothing is handed on that could not be served: a config can make peft do more than add matrices.
    Lora(adapter, adapter_files.read(place))
    order |= {"name": Path(adapter).name, "adapter": str(place)}
    found = weights.local(base, home / "models")
    if found is None and request.merged:
        found = fetching.fetch(base, home, hub_token)
    elif found is None:  # The base itself is not needed; which one it is can be told better where it is at hand.
        found = next((each for each in hub.cached_sources() if each.name == base), None)
    if request.merged and found is not None:
        weights.check(found)
        order["source"] = str(found.directory)
    if found is not None and found.commit is not None:
        order["base"] = f"{base.partition('@')[0]}@{found.commit}"
    return order


def _make(draft: Path) -> None:
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise _unwritable(draft.parent, error) from error


def _put(draft: Path, target: Path) -> dict[str, int]:
    """Give the draft its name, and return its files with their bytes."""
    try:
        draft.rename(target)  # also in the place of an empty directory
    except OSError as error:
        raise _unwritable(target, error) from error
    return {str(path.relative_to(target)): path.stat().st_size for path in sorted(target.rglob("*")) if path.is_file()}


def _unwritable(path: Path, error: OSError) -> InvalidRequest:
    message = f"{path} cannot be written to ({error.strerror or error}): choose another directory"
    return InvalidRequest(message, param="directory")


# --- its process ----------------------------------------------------------------------------------------------------


async def _progress(order: dict[str, Any], cancelled: Callable[[], bool]) -> AsyncGenerator[Progress]:
    """Run the process, and yield how far it is until it has ended well."""
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "gpt_notebook.exporting"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
        env={**environment, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"},
        limit=LINE_LIMIT,
    )
    assert process.stdin is not None  # noqa: S101 - it has pipes
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    words = asyncio.create_task(process.stderr.read())
    try:
        # One that can't even begin has said why.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(json.dumps(order).encode() + b"\n")
            await process.stdin.drain()
        async for line in _lines(process.stdout, cancelled):
            said = json.loads(line)
            if said["kind"] == "error":
                raise from_json(said["error"])
            if said["kind"] == "progress":
                yield decode(Progress, said["progress"])
            if said["kind"] == "done":
                return
        raise _ending(order["model"], await process.wait(), (await words).decode(errors="replace"))
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        await asyncio.gather(words, return_exceptions=True)


async def _lines(output: asyncio.StreamReader, cancelled: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the lines of a process until it has no more, or somebody stops it."""
    while True:
        reading = asyncio.create_task(output.readline())
        try:
            while not reading.done():
                await asyncio.wait({reading}, timeout=LOOKED_AFTER)
                if cancelled():
                    message = "the export was stopped: nothing of it is left"
                    raise RequestCancelled(message)
        finally:
            reading.cancel()
        if not (line := reading.result()):
            return
        yield line


def _ending(model: str, code: int, words: str) -> GptNotebookError:
    """Return why a process ended that did not say so itself."""
    if code == -signal.SIGKILL:
        return OutOfMemory(f"no room to merge {model}: stop what else takes memory, or export it without merged=True")
    lines = [line.strip() for line in words.splitlines() if line.strip()] or [f"exit code {code}"]
    return GptNotebookError(f"the export of {model} failed ({lines[-1][:LAST_WORDS]}): see  gpt-notebook logs")
