"""Following a job's journal: what is new in it, many events at once, and nobody else waits."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

from gpt_notebook.errors import JobNotFound
from gpt_notebook.job_events import JobEvent, StateChanged
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Reader
from gpt_notebook.job_protocol import ENDED, EventsRequest
from gpt_notebook.model_kernel.jobs.register import Register
from gpt_notebook.next_action import NextAction
from gpt_notebook.protocol import Done

LOOK_SECONDS = 0.2
"""How often a journal that is followed is looked at; a look is the length of a file."""
AT_ONCE = 500
"""Events that are read and sent together, so that a long journal takes little memory."""


async def follow(register: Register, request: EventsRequest) -> AsyncGenerator[list[JobEvent]]:
    """Yield what has been recorded of a job after an event, and `Done`; an empty list where there is nothing yet.

    A follower is told everything up to the end of the job, or until it pauses.

    Raises:
        JobNotFound: there is no such job, or not any more.
    """
    job = await asyncio.to_thread(register.find, request.job)
    directory, state, known = job.directory, job.state, job.progress.number
    reader, size = Reader(directory.events, after=request.after), -1
    yield []
    while True:
        length = _length(directory.events)
        if length is None:
            message = f"the job {directory.name} has been deleted or renamed: look at the list of those there are"
            raise JobNotFound(message, next_action=NextAction("list"))
        if length != size:
            size = length
            fresh = reader.read()
            while batch := await asyncio.to_thread(_some, fresh):
                for event in batch:
                    if isinstance(event, StateChanged) and event.number > known:
                        state = event.state
                yield batch
        rests = state in ENDED
        if state == "paused" and await asyncio.to_thread(_stays_paused, register, directory):
            # Whoever answers a command writes while he holds the lock: what that was is there by now.
            rests = _length(directory.events) == size
        if not request.follow or rests:
            yield [Done()]
            return
        await asyncio.sleep(LOOK_SECONDS)


def _stays_paused(register: Register, directory: JobDirectory) -> bool:
    """Whether a job has paused and was not told to resume, which it does in a moment."""
    job = register.find(directory.name)
    return job.state == "paused" and job.asked("resume") is None and job.holder is None


def _some(events: Iterator[JobEvent]) -> list[JobEvent]:
    return list(itertools.islice(events, AT_ONCE))


def _length(path: Path) -> int | None:
    """Return the length of a file; None where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None
