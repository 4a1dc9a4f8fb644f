"""Jobs from start to end: run one after the other, told what to do, deleted."""

from __future__ import annotations

import asyncio

import pytest

from gpt_notebook.errors import InvalidRequest, JobError, JobInUse, JobNotFound, ModelInUse
from gpt_notebook.job_events import CommandDone, StateChanged, StepDone
from gpt_notebook.job_files import lock, publishing
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import directory_of
from gpt_notebook.job_protocol import CommandRequest, ForgetRequest
from gpt_notebook.protocol import Done
from model_kernel.jobs.company_of_jobs import info, start, state, told, until


def states(events):
    return [each.state for each in events if isinstance(each, StateChanged)]


def test_a_job_runs_to_its_end_and_all_of_it_is_told(with_jobs):
    async def work(jobs):
        started = await start(jobs, "fox")
        assert (started.attached, started.resumed, started.job.state) == (False, False, "queued")
        events = await told(jobs, "fox", follow=True)
        assert states(events) == ["queued", "running", "succeeded"]
        assert [each.step for each in events if isinstance(each, StepDone)] == [1, 2]
        assert [each.number for each in events[:-1]] == list(range(1, len(events)))
        assert events[-1] == Done()
        assert await told(jobs, "fox", after=events[-2].number) == [Done()]

    with_jobs(work)


def test_jobs_run_one_at_a_time_in_the_order_of_their_queueing(with_jobs):
    async def work(jobs):
        await start(jobs, "zebra", then="wait")
        await state(jobs, "zebra", "running")
        await start(jobs, "monkey")
        await start(jobs, "ant")
        assert [(each.name, each.state, each.position) for each in jobs.current()] == [
            ("zebra", "running", None),
            ("monkey", "queued", 1),
            ("ant", "queued", 2),
        ]
        assert (await info(jobs, "ant")).position == 2
        assert len(jobs.started) == 1
        await jobs.command(CommandRequest(job="zebra", command="stop"))
        ends = [(await state(jobs, name, "succeeded")).time for name in ("zebra", "monkey", "ant")]
        begins = [(await state(jobs, name, "running")).time for name in ("monkey", "ant")]
        assert ends[0] < begins[0] < ends[1] < begins[1]
        await until(lambda: jobs.current() == ())

    with_jobs(work)


def test_a_queued_job_can_be_cancelled_and_deleted(with_jobs, home):
    async def work(jobs):
        await start(jobs, "first", then="wait")
        await state(jobs, "first", "running")
        await start(jobs, "second")
        await start(jobs, "third")
        await jobs.command(CommandRequest(job="second", command="cancel"))
        assert (await info(jobs, "second")).state == "cancelled"
        await jobs.forget(ForgetRequest(job="third"))
        assert [each.name for each in await jobs.listing()] == ["second", "first"]
        assert not (home / "jobs" / "third").exists()
        with pytest.raises(JobInUse, match="first runs: stop or cancel it first"):
            await jobs.forget(ForgetRequest(job="first"))

    with_jobs(work)


def test_a_command_is_acknowledged_under_its_number(with_jobs):
    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        taken = [
            await jobs.command(CommandRequest(job="fox", command="learning_rate", value=0.01)),
            await jobs.command(CommandRequest(job="fox", command="pause")),
        ]
        events = await told(jobs, "fox", follow=True)
        done = [(each.command_number, each.command) for each in events if isinstance(each, CommandDone)]
        assert done == [(taken[0].number, "learning_rate"), (taken[1].number, "pause")]
        assert (await info(jobs, "fox")).state == "paused"

    with_jobs(work)


def test_what_a_paused_job_is_told_holds_when_it_goes_on(with_jobs):
    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        await jobs.command(CommandRequest(job="fox", command="pause"))
        paused = await state(jobs, "fox", "paused")
        await until(lambda: lock.holder(directory_of(jobs._home, "fox")) is None)
        with pytest.raises(InvalidRequest, match="fox is paused already: resume goes on"):
            await jobs.command(CommandRequest(job="fox", command="pause"))
        with pytest.raises(InvalidRequest, match="step 2 is done: ask for more than 2 steps, or stop it"):
            await jobs.command(CommandRequest(job="fox", command="max_steps", value=2))
        await jobs.command(CommandRequest(job="fox", command="learning_rate", value=0.5))
        assert (await info(jobs, "fox")).chosen["learning_rate"] == 0.5
        await jobs.command(CommandRequest(job="fox", command="resume"))
        running = await state(jobs, "fox", "running", after=paused.number)
        assert running.attempt == 2
        assert (await info(jobs, "fox")).step >= 2

    with_jobs(work)


def test_what_cannot_be_written_down_is_refused_in_one_line(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        (home / "jobs/fox/control.jsonl").mkdir()
        with pytest.raises(JobError, match=r"control\.jsonl cannot be written to"):
            await jobs.command(CommandRequest(job="fox", command="pause"))

    with_jobs(work)


def test_what_is_told_while_a_process_leaves_is_done_after_it(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        await jobs.command(CommandRequest(job="fox", command="pause"))
        # The process reads no more after the pause: this one is left to whoever looks after the job.
        await jobs.command(CommandRequest(job="fox", command="resume"))
        paused = await state(jobs, "fox", "paused")
        assert (await state(jobs, "fox", "running", after=paused.number)).attempt == 2

    with_jobs(work)


@pytest.mark.parametrize(
    ("end", "command", "message"),
    [
        ("succeed", "resume", "fox has come to its end: start it again with more steps and the option force to go on"),
        ("succeed", "cancel", "fox has come to its end$"),
        ("die", "pause", "fox has failed: resume goes on from its last checkpoint"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_does(with_jobs, end, command, message):
    async def work(jobs):
        await start(jobs, "fox", then=end)
        await told(jobs, "fox", follow=True)
        with pytest.raises(InvalidRequest, match=message):
            await jobs.command(CommandRequest(job="fox", command=command))

    with_jobs(work)


def test_stopping_a_paused_job_keeps_what_it_has_made(with_jobs, home):
    async def work(jobs):
        for name in ("nothing", "something"):
            await start(jobs, name, then="wait")
            await state(jobs, name, "running")
            await jobs.command(CommandRequest(job=name, command="pause"))
            await state(jobs, name, "paused")
            await until(lambda name=name: lock.holder(directory_of(home, name)) is None)
        Checkpoints(directory_of(home, "something")).save(2, lambda place: (place / "weights").touch())
        for name in ("nothing", "something"):
            await jobs.command(CommandRequest(job=name, command="stop"))
        assert [(each.name, each.state) for each in await jobs.listing()] == [
            ("something", "succeeded"),
            ("nothing", "cancelled"),
        ]

    with_jobs(work)


def test_a_job_is_deleted_with_its_links_unless_somebody_uses_it(with_jobs, home):
    used = [True]

    def let_go(name, _directory):
        if used[0]:
            message = f"{name} is in use by 1 request"
            raise ModelInUse(message)

    async def work(jobs):
        await start(jobs, "fox")
        await told(jobs, "fox", follow=True)
        directory = directory_of(home, "fox")
        publishing.publish(directory, "lora", 2)
        with pytest.raises(ModelInUse):
            await jobs.forget(ForgetRequest(job="fox"))
        assert directory.exists()
        used[0] = False
        await jobs.forget(ForgetRequest(job="fox"))
        assert publishing.taken(home, "fox") is None
        assert [each.name for each in (home / "jobs").iterdir() if each.name.startswith(".del")] == []
        with pytest.raises(JobNotFound, match="there is no job 'fox': there is none"):
            await jobs.forget(ForgetRequest(job="fox"))

    with_jobs(work, let_go=let_go)


def test_a_result_that_a_dead_process_has_not_published_is_found(with_jobs, home):
    async def train(jobs):
        await start(jobs, "fox", then="die")
        await state(jobs, "fox", "failed")

    async def look(_jobs):
        await until((home / "adapters" / "fox").is_dir)

    with_jobs(train)
    Checkpoints(directory_of(home, "fox")).save(2, lambda place: (place / "weights").touch())
    with_jobs(look)


def test_a_name_that_is_not_there_is_answered_with_the_one_that_was_meant(with_jobs):
    async def work(jobs):
        await start(jobs, "storyteller-1")
        with pytest.raises(JobNotFound, match=r"did you mean storyteller-1\?"):
            await told(jobs, "storyteler-1")

    with_jobs(work)


def test_a_job_is_found_by_its_id_too(with_jobs):
    async def work(jobs):
        started = await start(jobs, "fox")
        assert await told(jobs, started.job.id, follow=True) == await told(jobs, "fox")

    with_jobs(work)


def test_a_follower_of_a_deleted_job_is_told_so(with_jobs):
    async def work(jobs):
        await start(jobs, "first", then="wait")
        await start(jobs, "second")
        following = asyncio.create_task(told(jobs, "second", follow=True))
        await asyncio.sleep(0)
        await state(jobs, "first", "running")
        await jobs.forget(ForgetRequest(job="second"))
        with pytest.raises(JobNotFound):
            await following

    with_jobs(work)
