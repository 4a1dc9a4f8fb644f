"""Many prompts as one request: rows join the running batch as others leave it, and each is told when it is whole.

A bounded number of rows is in flight, so that a table of any length takes the memory of a few; their prompts are made
in a thread, a little ahead of need. A row that fails is told by its index. Knows requests and events, and of tensors
nothing: what runs a row is given.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any

from gpt_notebook.batch_protocol import BatchEvent, BatchRequest, BatchStarted, RowDone, RowFailed, RowSample
from gpt_notebook.errors import GptNotebookError, RequestCancelled
from gpt_notebook.model_kernel import prompts
from gpt_notebook.model_kernel.admission import Request
from gpt_notebook.model_kernel.batching.running import MOST_ROWS
from gpt_notebook.model_kernel.prompts import Prompt
from gpt_notebook.model_kernel.runner import Runner
from gpt_notebook.protocol import Done, Finished, Token, Tokens

PREPARED_AT_ONCE = 16
"""Prompts that are made in one go: a change of threads costs about as much as a short prompt."""

RunRow = Callable[[Request, Prompt], AsyncGenerator[Any]]
"""Runs the generation of a row under an entry of its own, and yields its `Tokens` and `Finished`."""

_Prepared = tuple[int, Prompt | GptNotebookError]
"""A row's index, and its prompt or what is wrong with it."""


async def batch(
    runner: Runner,
    request: BatchRequest,
    run: RunRow,
    *,
    hub_token: str | None = None,
    in_flight: int = MOST_ROWS,
) -> AsyncGenerator[BatchEvent]:
    """Yield the events of a batch.

    Args:
        runner: what lets it in and loads its model; all of its rows are one request.
        request: the prompts.
        run: what does a row.
        hub_token: for a model that must be fetched.
        in_flight: how many samples may run or wait to. The places that the background leaves to others are so many fewer
            that some always wait, and take a place as soon as one is free.

    Raises:
        GptNotebookError: there can be no rows at all. When somebody cancels the batch, rows that run end as cancelled and
            those that haven't begun fail.
    """
    with runner.admitted(request.model) as entry:
        async for progress in runner.load(entry, hub_token):
            yield progress
        with entry.served.used():
            yield BatchStarted(id=entry.id, model=entry.model, fingerprint=entry.served.fingerprint)
            rows = _Rows(entry, request, run)
            async with contextlib.aclosing(rows.events(in_flight)) as events:
                async for event in events:
                    yield event
            yield Done()


class _Rows:
    """The rows of one request on their way."""

    def __init__(self, entry: Request, request: BatchRequest, run: RunRow) -> None:
        self._entry = entry
        self._request = request
        self._run = run

    async def events(self, in_flight: int) -> AsyncGenerator[RowDone | RowFailed]:
        """Yield an event for each row, as they finish; closing this cancels what runs."""
        count = min(max(1, in_flight // self._request.options.n), len(self._request.prompts))
        # Bounded, so that prompts aren't made long before their turn, and a slow reader holds the rows up.
        prepared: asyncio.Queue[_Prepared] = asyncio.Queue(PREPARED_AT_ONCE)
        ready: asyncio.Queue[RowDone | RowFailed | Exception] = asyncio.Queue(count)
        work = [self._prepare(prepared), *(self._work(prepared, ready) for _ in range(count))]
        tasks = [asyncio.create_task(_telling(ready, each)) for each in work]
        try:
            for _ in self._request.prompts:
                row = await ready.get()
                if isinstance(row, Exception):
                    raise row
                yield row
        finally:
            self._entry.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _prepare(self, prepared: asyncio.Queue[_Prepared]) -> None:
        """Make the prompts of all rows, in order."""
        for start in range(0, len(self._request.prompts), PREPARED_AT_ONCE):
            indices = range(start, min(start + PREPARED_AT_ONCE, len(self._request.prompts)))
            for row in await asyncio.to_thread(self._prepared, indices):
                await prepared.put(row)

    def _prepared(self, indices: Sequence[int]) -> list[_Prepared]:
        """Return the prompts of some rows; in a thread."""
        return [(index, self._prompt(index)) for index in indices]

    def _prompt(self, index: int) -> Prompt | GptNotebookError:
        if self._entry.cancelled:
            return _cancelled()
        try:
            return prompts.prepare(self._entry.served.model, self._request.alone(index))
        except GptNotebookError as error:
            return error

    async def _work(self, prepared: asyncio.Queue[_Prepared], ready: asyncio.Queue[Any]) -> None:
        """Do one row after another."""
        while True:
            index, prompt = await prepared.get()
            try:
                row = await self._row(index, prompt)
            except GptNotebookError as error:
                await ready.put(RowFailed(index=index, error=error.to_json()))
            else:
                await ready.put(row)

    async def _row(self, index: int, prompt: Prompt | GptNotebookError) -> RowDone:
        """Return a row when it is done.

        Raises:
            GptNotebookError: it can't be done, or failed on the way.
        """
        if isinstance(prompt, GptNotebookError):
            raise prompt
        if self._entry.cancelled:
            raise _cancelled()
        entry = self._entry.beside()
        entry.prompt_tokens = len(prompt.token_ids)
        self._entry.state = "running"
        self._entry.prompt_tokens += entry.prompt_tokens
        tokens: list[list[Token]] = [[] for _ in range(prompt.options.n)]
        finished: dict[int, Finished] = {}
        async with contextlib.aclosing(self._run(entry, prompt)) as events:
            async for event in events:
                if isinstance(event, Tokens):
                    tokens[event.index] += event.tokens
                elif isinstance(event, Finished):
                    finished[event.index] = event
        self._entry.generated_before += entry.generated
        return RowDone(
            index=index,
            prompt=prompt.text,
            prompt_token_ids=tuple(prompt.token_ids),
            options=prompt.options,
            samples=tuple(_sample(said, finished[i]) for i, said in enumerate(tokens)),
            timing=entry.timing(),
        )


async def _telling(ready: asyncio.Queue[Any], work: Coroutine[Any, Any, None]) -> None:
    """Do work, and tell what it fails with: rows that never come would be waited for without end."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - raised where the rows are waited for
        await ready.put(error)


def _sample(tokens: Sequence[Token], finished: Finished) -> RowSample:
    return RowSample(tokens=tuple(tokens), finish_reason=finished.finish_reason, usage=finished.usage)


def _cancelled() -> RequestCancelled:
    message = "the batch was cancelled before this row: run it again"
    return RequestCancelled(message)
