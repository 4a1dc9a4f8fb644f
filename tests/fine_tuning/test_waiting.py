"""Waiting ends with what is waited for, can be interrupted, and survives the model kernel."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading

import pytest
from fake_jobs import INFO

import gpt_notebook as gpt
from gpt_notebook.display import job_reports, progress, reports
from gpt_notebook.errors import (
    JobFailed,
    JobUnfinished,
    WaitInterrupted,
)
from gpt_notebook.job_events import StateChanged
from gpt_notebook.protocol import RunningJob

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")


def test_waiting_ends_with_the_job(fake_jobs, job):
    fake_jobs.add(StateChanged, state="running")
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="succeeded", step=4)).start()
    assert job.wait() is job
    assert job.state == "succeeded"


def test_waiting_for_a_step_or_a_state(fake_jobs, job):
    threading.Timer(0.05, lambda: fake_jobs.step(3)).start()
    assert job.wait(until=3).state == "running"
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="paused", reason="user")).start()
    assert job.wait(until="paused").state == "paused"


def test_a_state_that_was_long_ago_is_not_waited_for(fake_jobs, job):
    fake_jobs.add(StateChanged, state="running")
    fake_jobs.add(StateChanged, state="queued")
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="running", attempt=2)).start()
    job.wait(until="running")
    assert fake_jobs.events[-1].attempt == 2


def test_waiting_survives_the_model_kernel(fake_jobs, trained):
    fake_jobs.dies_after = 7
    assert trained.wait().state == "succeeded"


def test_a_failure_is_raised_in_one_line(fake_jobs, job):
    fake_jobs.add(
        StateChanged, state="failed", reason="oom", step=3, message="not even one row fits: use a smaller model"
    )
    with pytest.raises(
        JobFailed,
        match=r"pip failed at step 0: not even one row fits: use a smaller model; its log is /jobs/pip/log.txt",
    ):
        job.wait()
    assert job.wait(until="failed") is job


def test_a_pause_ends_the_waiting_and_is_said(fake_jobs, job, capsys):
    fake_jobs.add(StateChanged, state="paused", reason="disk_full")
    job.wait()
    assert capsys.readouterr().err == "pip is paused (the disk is full): resume goes on\n"


def test_waiting_can_have_a_limit(fake_jobs, job):
    fake_jobs.add(StateChanged, state="running")
    with pytest.raises(JobUnfinished, match=r"pip has not ended within 0.05 s: it goes on"):
        job.wait(timeout=0.05)
    with pytest.raises(JobUnfinished, match=r"pip has not come to step 9 within"):
        job.wait(timeout=0.05, until=9)


@pytest.fixture
def resumed_by_others(fake_jobs, model_kernel):
    """Somebody lets the job go on as soon as it has paused, before anybody else can see that it has."""
    listed = model_kernel.answers["/v1/jobs"]

    def answer(body):
        if fake_jobs.info.state == "paused":
            fake_jobs.add(StateChanged, state="running", attempt=2)
        return listed(body)

    model_kernel.answers["/v1/jobs"] = answer
    fake_jobs.add(StateChanged, state="running")
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="paused", reason="user")).start()


@pytest.mark.usefixtures("resumed_by_others")
def test_a_job_that_others_let_go_on_is_waited_for_again(fake_jobs, job):
    def end():
        with fake_jobs.changed:
            assert fake_jobs.changed.wait_for(lambda: fake_jobs.events[-1].attempt == 2, timeout=10)
        fake_jobs.add(StateChanged, state="succeeded", step=4, attempt=2)

    thread = threading.Thread(target=end)
    thread.start()
    assert job.wait().state == "succeeded"
    thread.join()


@pytest.mark.usefixtures("resumed_by_others")
def test_a_limit_counts_for_a_job_that_others_let_go_on(job):
    with pytest.raises(JobUnfinished, match=r"pip has not ended within 0.5 s"):
        job.wait(timeout=0.5)


def test_whoever_waits_can_catch_what_ends_the_waiting(fake_jobs, job):
    fake_jobs.add(StateChanged, state="failed", reason="oom")
    with pytest.raises(gpt.JobFailed):
        job.wait()
    assert (gpt.JobUnfinished, gpt.WaitInterrupted) == (JobUnfinished, WaitInterrupted)


def test_an_interrupt_ends_the_waiting_and_not_the_job(fake_jobs, job):
    fake_jobs.add(StateChanged, state="running")
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(WaitInterrupted, match=r"The job pip goes on: gpt.job\('pip'\)"):
        job.wait()
    assert job.state == "running"
    assert fake_jobs.requests("command") == []


def test_an_interrupt_ends_the_following_with_one_line(fake_jobs, job):
    fake_jobs.add(StateChanged, state="running")
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(WaitInterrupted, match="The job pip goes on"):
        list(job.events(follow=True))


class Said(progress.Bar):
    """A bar that keeps what it is told."""

    def __init__(self, lines):
        super().__init__("pip")
        self.lines = lines

    def say(self, text, fraction=None):
        self.lines.append((text, fraction))


@pytest.fixture
def bar(monkeypatch):
    """The lines that are shown while one waits."""
    lines = []
    monkeypatch.setattr(progress, "bar", lambda _what: Said(lines))
    return lines


def test_the_first_line_comes_before_anything_happens(fake_jobs, job, bar):
    fake_jobs.add(StateChanged, state="queued")
    fake_jobs.info = dataclasses.replace(fake_jobs.info, position=0)
    with pytest.raises(JobUnfinished):
        job.wait(timeout=0.05)
    assert bar == [("pip: starting", None)]


def test_a_job_that_goes_on_with_more_steps_does_not_show_those_of_before(fake_jobs, trained, bar):
    fake_jobs.add(StateChanged, state="queued", attempt=2)
    fake_jobs.add(StateChanged, state="running", attempt=3)
    with pytest.raises(JobUnfinished):
        trained.wait(timeout=0.05)
    fake_jobs.prepared(step=4, max_steps=9, attempt=3)
    with pytest.raises(JobUnfinished):
        trained.wait(timeout=0.05)
    assert bar == [("pip: preparing", None), ("pip: step 4 of 9", 4 / 9)]


def test_a_queued_job_says_whether_anything_is_before_it():
    queued = dataclasses.replace(INFO, state="queued", position=0)
    assert job_reports.short_state(queued) == "starting"
    assert job_reports.short_state(dataclasses.replace(queued, position=2)) == "queued, 2 jobs before it"
    assert job_reports.short_state(dataclasses.replace(queued, position=None)) == "queued"
    assert job_reports.short_state(dataclasses.replace(queued, position=None, pid=7)) == "starting"


def test_the_status_of_a_model_kernel_speaks_of_jobs_in_the_same_words():
    jobs = (
        RunningJob(name="fox", state="running"),
        RunningJob(name="owl", state="queued"),
        RunningJob(name="hare", state="queued", position=2),
    )
    assert [row[1] for row in reports._jobs(jobs).rows] == ["running", "starting", "queued, 2 jobs before it"]


def test_no_words_of_others_steer_a_terminal():
    listed = job_reports.jobs_report([dataclasses.replace(INFO, model="fox\x1b[2J")])
    assert "fox␛[2J" in listed.text()


def test_what_can_not_be_waited_for(job):
    with pytest.raises(gpt.GptNotebookError, match="did you mean succeeded"):
        job.wait(until="suceeded")
    with pytest.raises(gpt.GptNotebookError, match="until must be at least 1"):
        job.wait(until=0)
