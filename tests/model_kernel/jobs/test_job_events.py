"""Following a journal: all of it, in pieces, while nobody else waits."""

from __future__ import annotations

import asyncio
import json

import pytest

from gpt_notebook.job_events import StateChanged, StepDone
from gpt_notebook.job_files.directory import directory_of
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import CommandRequest, EventsRequest
from gpt_notebook.model_kernel.jobs import events as following
from gpt_notebook.protocol import Done
from model_kernel.jobs.company_of_jobs import start, state, told

VALUES = {"epoch": 0.5, "learning_rate": 0.1, "grad_norm": None, "tokens": 8, "seconds": 0.1, "memory": 1}


def lengthen(home, name, count):
    """Write many steps into a journal, faster than by its own way."""
    path = directory_of(home, name).events
    last = json.loads(path.read_bytes().splitlines()[-1])["number"]
    lines = (
        {"type": "step", "number": last + step, "attempt": 1, "time": 1.0, "step": step, "loss": 1 / step, **VALUES}
        for step in range(1, count + 1)
    )
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_what_comes_is_told_as_it_comes(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        batches = jobs.events(EventsRequest(job="fox", follow=True))
        assert await anext(batches) == []
        seen = []
        while len(seen) < 4:
            seen += await anext(batches)
        with Journal(directory_of(home, "fox").events) as journal:
            journal.write(StepDone, step=3, loss=0.5, **VALUES)
        (event,) = await anext(batches)
        assert (event.step, event.number) == (3, 5)
        await batches.aclose()

    with_jobs(work)


def test_without_following_a_running_job_is_told_so_far(with_jobs):
    async def work(jobs):
        await start(jobs, "fox", then="deaf")
        await state(jobs, "fox", "running")
        assert (await told(jobs, "fox"))[-1] == Done()

    with_jobs(work)


def test_a_long_journal_comes_in_pieces_and_others_go_on_meanwhile(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox")
        await state(jobs, "fox", "succeeded")
        lengthen(home, "fox", 50_000)
        turns = 0

        async def others():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        going_on = asyncio.create_task(others())
        sizes = [len(batch) async for batch in jobs.events(EventsRequest(job="fox"))]
        going_on.cancel()
        assert sum(sizes) == 50_000 + 5 + 1
        assert max(sizes) == following.AT_ONCE
        assert turns > len(sizes)

    with_jobs(work)


@pytest.mark.parametrize("after", [3, 5, 10**12])
def test_what_is_known_is_not_told_again(with_jobs, after):
    async def work(jobs):
        await start(jobs, "fox")
        await state(jobs, "fox", "succeeded")
        events = await told(jobs, "fox", after=after, follow=True)
        assert [each.number for each in events[:-1]] == list(range(after + 1, 6))

    with_jobs(work)


def test_a_job_that_pauses_ends_what_is_told(with_jobs):
    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        following = asyncio.create_task(told(jobs, "fox", follow=True))
        await jobs.command(CommandRequest(job="fox", command="pause"))
        *_, last, done = await following
        assert isinstance(last, StateChanged)
        assert (last.state, done) == ("paused", Done())

    with_jobs(work)
