"""Jobs survive the model kernel, and it survives them: whatever dies, nothing runs twice and nothing is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gpt_notebook.errors import JobInUse
from gpt_notebook.job_events import CommandDone, StateChanged
from gpt_notebook.job_files import commands, lock
from gpt_notebook.job_files.directory import directory_of
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import CommandRequest, ForgetRequest
from gpt_notebook.model_kernel.jobs import watching
from gpt_notebook.model_kernel.jobs.register import Register
from model_kernel.jobs import kernel_process
from model_kernel.jobs.company_of_jobs import info, start, state, told, until

TESTS = Path(__file__).parents[2]


@contextlib.contextmanager
def model_kernel(home, then, *names):
    """Another model kernel, which has started jobs."""
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    process = subprocess.Popen(
        [sys.executable, kernel_process.__file__, str(home), then, *names],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def attempts(events):
    return [each.attempt for each in events if isinstance(each, StateChanged) and each.state == "running"]


def test_a_job_outlives_its_model_kernel_and_is_found_by_the_next(with_jobs, home):
    with model_kernel(home, "wait", "fox", "hare") as first:
        assert first.stdout.readlines(1) == ["fox False\n"]
        while first.stdout.readline() != "started\n":
            pass
        directory = directory_of(home, "fox")

        async def killed(jobs):
            await state(jobs, "fox", "running")

        with_jobs(killed)
        holder = lock.holder(directory)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert lock.holder(directory) == holder

    async def work(jobs):
        await until(lambda: len(jobs.current()) == 2)
        assert [(each.name, each.state) for each in jobs.current()] == [("fox", "running"), ("hare", "queued")]
        assert jobs.started == []
        await jobs.command(CommandRequest(job="fox", command="stop"))
        await state(jobs, "hare", "running")
        assert len(jobs.started) == 1
        assert attempts(await told(jobs, "fox")) == [1]

    with_jobs(work)


def test_two_model_kernels_that_start_the_same_at_once_make_one_job(home, with_jobs):
    with contextlib.ExitStack() as stack:
        kernels = [stack.enter_context(model_kernel(home, "wait", "fox")) for _ in range(3)]
        attached = [kernel.stdout.readline() for kernel in kernels]
        assert sorted(attached) == ["fox False\n", "fox True\n", "fox True\n"]

        async def work(jobs):
            await state(jobs, "fox", "running")
            assert attempts(await told(jobs, "fox")) == [1]
            assert len(processes_of(home)) == 1

        with_jobs(work)


def processes_of(home):
    """The processes that train in a home."""
    return [
        each
        for each in psutil.process_iter(["cmdline"])
        if any(f"{home}/jobs/" in part for part in each.info["cmdline"] or [])
    ]


def test_twenty_starts_at_the_same_time_make_one_job(with_jobs):
    async def work(jobs):
        started = await asyncio.gather(*(start(jobs, "fox", then="wait") for _ in range(20)))
        assert sum(not each.attached for each in started) == 1
        assert len({each.job.id for each in started}) == 1
        await state(jobs, "fox", "running")
        assert len(jobs.started) == 1

    with_jobs(work)


def test_a_process_that_dies_without_a_word_is_said_to_have_died(with_jobs):
    async def work(jobs):
        await start(jobs, "fox", then="die")
        died = await state(jobs, "fox", "failed")
        assert (died.reason, died.step, died.attempt) == ("died", 2, 1)
        assert "RuntimeError: the cat has pulled the plug" in died.message
        assert "go on from its last checkpoint" in died.message
        await until(lambda: jobs.current() == ())

    with_jobs(work)


def test_what_killed_a_process_is_named(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox", then="deaf")
        await state(jobs, "fox", "running")
        await until(lambda: lock.holder(directory_of(home, "fox")) is not None)
        os.kill(jobs.started[0].pid, signal.SIGKILL)
        assert "it was killed (signal 9): out of memory?" in (await state(jobs, "fox", "failed")).message

    with_jobs(work)


def test_a_process_that_cannot_begin_has_died_too_and_is_not_begun_again(with_jobs, home):
    async def work(jobs):
        await start(jobs, "first", then="wait")
        await state(jobs, "first", "running")
        await start(jobs, "fox")
        # What its process needs is damaged before its turn comes.
        (home / "jobs" / "fox" / "log.txt").mkdir()
        await jobs.command(CommandRequest(job="first", command="stop"))
        died = await state(jobs, "fox", "failed")
        assert "could not be started: Is a directory" in died.message
        assert len(jobs.started) == 1

    with_jobs(work)


def test_a_job_that_died_while_no_model_kernel_lived_is_found_dead_and_the_next_goes_on(with_jobs, home):
    with model_kernel(home, "deaf", "fox") as first:
        assert first.stdout.readline() == "fox False\n"

        async def wait(jobs):
            await state(jobs, "fox", "running")

        with_jobs(wait)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    os.kill(lock.holder(directory_of(home, "fox")).pid, signal.SIGKILL)

    async def work(jobs):
        assert (await state(jobs, "fox", "failed")).reason == "died"

    with_jobs(work)


def test_after_a_reboot_that_reuses_the_pid_a_job_has_died_and_nobody_else_is_hurt(with_jobs, home):
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:

        async def make(jobs):
            await start(jobs, "other", then="wait")
            await state(jobs, "other", "running")
            await start(jobs, "fox")

        with_jobs(make)
        directory = directory_of(home, "fox")
        with Journal(directory.events, attempt=1) as journal:
            journal.write(StateChanged, state="running")
        directory.lock.write_text(json.dumps({"pid": bystander.pid, "started": 1.0, "boot": "an earlier one"}))

        async def work(jobs):
            assert (await state(jobs, "fox", "failed")).reason == "died"
            assert (await info(jobs, "fox")).pid is None

        with_jobs(work)
        assert bystander.poll() is None
    finally:
        bystander.communicate(b"\n")


def test_a_process_that_does_not_obey_cancel_is_ended(with_jobs, home, monkeypatch):
    monkeypatch.setattr(watching, "OBEY_SECONDS", 0.1)
    monkeypatch.setattr(watching, "FORCE_SECONDS", 0.1)

    async def work(jobs):
        await start(jobs, "fox", then="deaf")
        await state(jobs, "fox", "running")
        taken = await jobs.command(CommandRequest(job="fox", command="cancel"))
        await state(jobs, "fox", "cancelled")
        done = [each for each in await told(jobs, "fox") if isinstance(each, CommandDone)]
        assert [each.command_number for each in done] == [taken.number]
        assert jobs.started[0].wait() == -signal.SIGKILL

    with_jobs(work)


def test_a_process_gets_nothing_of_ours_but_what_it_needs(with_jobs, home, monkeypatch):
    for name in ("GPT_NOTEBOOK_TOKEN", "GPT_NOTEBOOK_URL", "HF_TOKEN"):
        monkeypatch.setenv(name, "a secret of many letters")

    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        process = psutil.Process(jobs.started[0].pid)
        environment = process.environ()
        ours = {name: value for name, value in environment.items() if name.startswith("GPT_NOTEBOOK_")}
        assert ours == {"GPT_NOTEBOOK_HOME": str(home), "GPT_NOTEBOOK_THREADS": "1"}
        assert "HF_TOKEN" not in environment
        assert process.cwd() == str(home / "jobs" / "fox")
        assert os.getsid(process.pid) == process.pid
        opened = {each.path for each in process.open_files()}
        assert {Path(each).name for each in opened} <= {"log.txt", "lock", "events.jsonl"}
        assert process.net_connections() == []
        assert (home / "jobs" / "fox" / "log.txt").stat().st_mode & 0o077 == 0

    with_jobs(work, threads=1)


def test_processes_that_have_ended_leave_no_zombies(with_jobs):
    async def work(jobs):
        for name in ("fox", "hare"):
            await start(jobs, name)
            await told(jobs, name, follow=True)
        await until(lambda: not [each for each in psutil.Process().children() if each.status() == psutil.STATUS_ZOMBIE])
        await until(lambda: all(each.returncode is not None for each in jobs.started))

    with_jobs(work)


@pytest.mark.parametrize("damage", ["{", "", '{"id": 5}'])
def test_a_damaged_job_keeps_no_other_from_running(with_jobs, home, damage):
    async def work(jobs):
        await start(jobs, "damaged", then="wait")
        await state(jobs, "damaged", "running")
        await jobs.command(CommandRequest(job="damaged", command="pause"))
        await state(jobs, "damaged", "paused")
        (home / "jobs" / "damaged" / "job.json").write_text(damage)
        await start(jobs, "fox")
        assert (await state(jobs, "fox", "succeeded")).step >= 0
        assert [each.name for each in await jobs.listing()] == ["fox"]

    with_jobs(work)


def test_what_a_job_is_told_while_its_process_begins_is_left_to_that_process(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox", then="wait", late=True)
        await until(lambda: jobs.started)
        taken = await jobs.command(CommandRequest(job="fox", command="cancel"))
        assert [each.state for each in await told(jobs, "fox") if isinstance(each, StateChanged)] == ["queued"]
        with pytest.raises(JobInUse):
            await jobs.forget(ForgetRequest(job="fox"))
        (home / "jobs" / "fox" / "go").touch()
        await state(jobs, "fox", "cancelled")
        done = [each.command_number for each in await told(jobs, "fox") if isinstance(each, CommandDone)]
        assert done == [taken.number]

    with_jobs(work)


def test_a_process_that_takes_long_to_begin_is_not_begun_twice(with_jobs, home, monkeypatch):
    monkeypatch.setattr(watching, "BEGIN_SECONDS", 0.0)

    async def work(jobs):
        await start(jobs, "fox", late=True)
        await start(jobs, "hare")
        looked = []
        settle = jobs._watch._settle
        monkeypatch.setattr(jobs._watch, "_settle", lambda: looked.append(1) or settle())
        await until(lambda: len(looked) > 5)
        assert len(jobs.started) == 1
        (home / "jobs" / "fox" / "go").touch()
        await state(jobs, "hare", "succeeded")

    with_jobs(work)


def test_a_process_that_dies_before_it_has_its_job_has_died(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox", late=True)
        await until(lambda: jobs.started)
        jobs.started[0].kill()
        assert "it was killed (signal 9)" in (await state(jobs, "fox", "failed")).message
        (home / "jobs" / "fox" / "go").touch()
        assert (await start(jobs, "fox", late=True)).resumed
        await state(jobs, "fox", "succeeded")

    with_jobs(work)


def test_a_follower_waits_for_a_job_that_pauses_and_was_told_to_go_on(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox", then="wait", late=True)
        await until(lambda: jobs.started)
        following = asyncio.create_task(told(jobs, "fox", follow=True))
        # Both are there when the process looks, and it reads no more after the pause.
        for command in ("pause", "resume"):
            await jobs.command(CommandRequest(job="fox", command=command))
        (home / "jobs" / "fox" / "go").touch()
        paused = await state(jobs, "fox", "paused")
        await state(jobs, "fox", "running", after=paused.number)
        await jobs.command(CommandRequest(job="fox", command="stop"))
        states = [each.state for each in await following if isinstance(each, StateChanged)]
        assert states[:5] == ["queued", "running", "paused", "queued", "running"]
        assert len(states) == 6

    with_jobs(work)


def test_who_only_writes_in_a_job_that_rests_is_sent_no_signal(with_jobs, home, monkeypatch):
    monkeypatch.setattr(watching, "LEAVE_SECONDS", 0.0)
    monkeypatch.setattr(watching, "FORCE_SECONDS", 0.0)
    holding = """
import pathlib, sys
from gpt_notebook.job_files import directory, lock
with lock.hold(directory.JobDirectory(pathlib.Path(sys.argv[1])), wait=5):
    print("held", flush=True)
    input()
"""

    async def work(jobs):
        await start(jobs, "fox")
        await state(jobs, "fox", "succeeded")
        path = str(home / "jobs" / "fox")
        arguments = [sys.executable, "-c", holding, path]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as somebody:  # noqa: ASYNC220
            try:
                assert await asyncio.to_thread(somebody.stdout.readline) == b"held\n"
                for _ in range(3):
                    jobs._watch._settle()
                assert somebody.poll() is None
            finally:
                somebody.communicate(b"\n")
        assert somebody.returncode == 0

    with_jobs(work)


def test_to_be_told_cancel_again_and_again_gives_no_process_more_time(with_jobs, home, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(watching, "OBEY_SECONDS", 0.3)
    monkeypatch.setattr(watching, "FORCE_SECONDS", 0.1)

    async def work(jobs):
        await start(jobs, "fox", then="deaf")
        await state(jobs, "fox", "running")
        asked = 0
        while jobs.started[0].poll() is None:
            assert asked < 100
            commands.append(directory_of(home, "fox"), "cancel")
            asked += 1
            await asyncio.sleep(0.05)
        await state(jobs, "fox", "cancelled")
        done = [each.command_number for each in await told(jobs, "fox") if isinstance(each, CommandDone)]
        assert done == [*range(1, len(done) + 1)]
        assert sum("hangs" in each.message for each in caplog.records) == 1

    with_jobs(work)


@pytest.mark.parametrize(
    ("words", "becomes"),
    [
        (("resume", "cancel"), "cancelled"),
        (("cancel", "resume"), "running"),
        (("resume", "pause"), "paused"),
        (("resume", "resume", "learning_rate"), "running"),
    ],
)
def test_what_a_paused_job_was_told_is_answered_once_and_the_last_word_wins(with_jobs, home, words, becomes):
    async def work(jobs):
        await start(jobs, "fox", then="wait")
        await state(jobs, "fox", "running")
        await jobs.command(CommandRequest(job="fox", command="pause"))
        await state(jobs, "fox", "paused")
        async with jobs._watch.deciding:
            for word in words:
                commands.append(directory_of(home, "fox"), word, 0.5 if word == "learning_rate" else None)
        count = 1 + len(words)
        await until(lambda: jobs._register.find("fox").progress.last_command == count)
        await until(lambda: jobs._register.find("fox").state == becomes)
        done = [each.command_number for each in await told(jobs, "fox") if isinstance(each, CommandDone)]
        assert done == [*range(1, count + 1)]

    with_jobs(work)


def test_what_a_job_is_told_while_it_ends_is_answered_and_not_done(with_jobs, home):
    async def work(jobs):
        await start(jobs, "fox", late=True)
        await until(lambda: jobs.started)
        # The process does not read any of it.
        for word in ("pause", "learning_rate"):
            await jobs.command(CommandRequest(job="fox", command=word, value=0.5 if word != "pause" else None))
        (home / "jobs" / "fox" / "go").touch()
        await state(jobs, "fox", "succeeded")
        await until(lambda: jobs._register.find("fox").progress.last_command == 2)
        done = [each for each in await told(jobs, "fox") if isinstance(each, CommandDone)]
        assert [(each.command_number, each.obeyed) for each in done] == [(1, False), (2, False)]
        assert "had ended by then (succeeded)" in done[0].message

    with_jobs(work)


def test_what_blocks_while_a_job_is_begun_is_not_taken_for_another_model_kernel(home):
    (home / "jobs").mkdir(parents=True)
    watch = watching.Watch(home, Register(home), start=None, make_room=None)

    def begin():
        with watch._alone() as alone, watch._alone() as another:
            assert (alone, another) == (True, False)
            raise BlockingIOError(11, "a pipe is full")

    for _ in range(2):
        with pytest.raises(BlockingIOError, match="a pipe is full"):
            begin()
