"""Many prompts at once: as few requests as hold them, the rows of all of them as they finish.

Knows how large a request may be; what is asked for each row, and what becomes of it, is its callers' business.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from gpt_notebook.batch_protocol import MAX_ROWS, BatchEvent, BatchRequest, BatchStarted, RowDone, RowFailed
from gpt_notebook.completion import Completion
from gpt_notebook.display import progress
from gpt_notebook.errors import GenerationInterrupted, GptNotebookError, PayloadTooLarge, from_json
from gpt_notebook.protocol import Progress, Started, encode
from gpt_notebook.session import session
from gpt_notebook.visible_text import shortened

RequestOf = Callable[[Sequence[str], Sequence[int] | None], BatchRequest]
"""Returns the request for some prompts, with a seed for each or None."""

SEED_BYTES = len(str(2**53)) + len(", ")


@dataclass(frozen=True)
class Row:
    """What came of a prompt: its samples, or why there are none."""

    index: int
    completions: tuple[Completion, ...] = ()
    error: GptNotebookError | None = None


def completions(prompts: Sequence[str], request_of: RequestOf) -> list[tuple[Completion, ...]]:
    """Return the samples of each prompt, with a bar while that takes.

    Raises:
        GptNotebookError: a prompt fails, which is named, or all do; `partial` has the completions of those that were done.
        GenerationInterrupted: the user interrupted; `partial` likewise.
    """
    found: dict[int, tuple[Completion, ...]] = {}

    def partial() -> tuple[Completion, ...]:
        return tuple(each for index in sorted(found) for each in found[index])

    with contextlib.closing(progress.bar("prompts")) as report, contextlib.closing(rows(prompts, request_of)) as events:
        try:
            for event in events:
                if isinstance(event, Progress):
                    report.waiting(event)
                    continue
                if isinstance(event, Row):
                    if event.error is not None:
                        raise _named(event.error, event.index, prompts)
                    found[event.index] = event.completions
                report(len(found), len(prompts))
        except KeyboardInterrupt as error:
            raise GenerationInterrupted(partial()) from error
        except GptNotebookError as error:
            error.partial = partial()
            raise
    return [found[index] for index in range(len(prompts))]


def _named(error: GptNotebookError, index: int, prompts: Sequence[str]) -> GptNotebookError:
    """Return an error that says which of several prompts it is about."""
    if len(prompts) == 1:
        return error
    return type(error)(f"prompt {index} ({shortened(prompts[index])!r}): {error.message}", param=error.param)


def rows(
    prompts: Sequence[str], request_of: RequestOf, *, seeds: Sequence[int] | None = None
) -> Generator[Progress | BatchStarted | Row, None, None]:
    """Yield what comes of each prompt, as they finish; closing this stops all of them.

    Raises:
        GptNotebookError: all of them fail.
    """
    started: BatchStarted | None = None
    with contextlib.closing(_events(prompts, request_of, seeds)) as events:
        for event in events:
            match event:
                case Progress():
                    yield event
                case BatchStarted():
                    started = event
                    yield event
                case RowFailed():
                    yield Row(event.index, error=from_json(event.error))
                case RowDone() if started is not None:
                    yield Row(event.index, tuple(_completions(started, event)))


def _completions(batch: BatchStarted, row: RowDone) -> Iterator[Completion]:
    started = Started(
        id=batch.id,
        model=batch.model,
        fingerprint=batch.fingerprint,
        prompt=row.prompt,
        prompt_token_ids=row.prompt_token_ids,
        options=row.options,
    )
    for index, sample in enumerate(row.samples):
        yield Completion.of(
            started,
            sample.tokens,
            finish_reason=sample.finish_reason,
            usage=sample.usage,
            timing=row.timing,
            index=index,
        )


def _events(
    prompts: Sequence[str], request_of: RequestOf, seeds: Sequence[int] | None
) -> Generator[BatchEvent, None, None]:
    """Yield the events of all requests that it takes, the rows numbered through."""
    pending = deque(_parts(prompts, _room(request_of)))
    while pending:
        part = pending.popleft()
        try:
            of = slice(part.start, part.stop)
            request = request_of(prompts[of], None if seeds is None else seeds[of])
            with contextlib.closing(_asked(request)) as events:
                for event in events:
                    yield (replace(event, index=part[event.index]) if isinstance(event, RowDone | RowFailed) else event)
        except PayloadTooLarge as error:  # A model kernel elsewhere reads less than we would; it has not begun.
            if len(part) == 1:
                yield RowFailed(index=part.start, error=error.to_json())
            else:
                pending.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))


def _asked(request: BatchRequest) -> Generator[BatchEvent, None, None]:
    return session.stream(lambda client: client.batch(request), patience=math.inf)


def _room(request_of: RequestOf) -> int:
    """Return the bytes that prompts may take in one request."""
    return session.settings.max_body - len(json.dumps(encode(request_of([""], [0]))))


def _parts(prompts: Sequence[str], room: int) -> Iterator[range]:
    """Cut prompts into ranges that fit one request each; one that fits none is alone."""
    begin, used = 0, 0
    for index, prompt in enumerate(prompts):
        size = len(json.dumps(prompt)) + len(", ") + SEED_BYTES
        if index > begin and (used + size > room or index - begin == MAX_ROWS):
            yield range(begin, index)
            begin, used = index, 0
        used += size
    if begin < len(prompts):
        yield range(begin, len(prompts))
