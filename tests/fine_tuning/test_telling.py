"""What a job is told is answered, or it is said why not."""

from __future__ import annotations

import threading

import pytest

import gpt_notebook as gpt
from gpt_notebook.errors import (
    JobError,
)
from gpt_notebook.fine_tuning import telling
from gpt_notebook.job_events import CommandDone, StateChanged

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")


@pytest.mark.parametrize(
    ("call", "command", "value"),
    [
        (lambda job: job.pause(), "pause", None),
        (lambda job: job.resume(), "resume", None),
        (lambda job: job.stop(), "stop", None),
        (lambda job: job.cancel(), "cancel", None),
        (lambda job: job.set_learning_rate(1e-4), "learning_rate", 1e-4),
        (lambda job: job.set_max_steps(9), "max_steps", 9),
    ],
)
def test_a_command_waits_until_it_is_acknowledged(fake_jobs, call, command, value, capsys):
    job = gpt.job("pip")
    assert call(job) is job
    (body,) = fake_jobs.requests("command")
    assert (body["job"], body["command"], body["value"]) == ("1f", command, value)
    assert capsys.readouterr().err == ""


def test_a_command_that_is_refused_says_why(fake_jobs, job):
    fake_jobs.obeys = False
    with pytest.raises(JobError, match="pip can't pause: it has ended"):
        job.pause()


def test_a_job_that_ends_instead_of_obeying(fake_jobs, job, monkeypatch):
    monkeypatch.setattr(telling, "LAST_WORD_SECONDS", 0.05)
    fake_jobs.obeys = None
    threading.Timer(0.05, lambda: fake_jobs.add(StateChanged, state="succeeded", step=4)).start()
    with pytest.raises(JobError, match="pip did not pause: it has ended meanwhile, succeeded"):
        job.pause()


def test_a_command_that_nobody_answers_is_still_pending(fake_jobs, job, monkeypatch, capsys):
    monkeypatch.setattr(telling, "ACKNOWLEDGED_SECONDS", 0.1)
    fake_jobs.obeys = None
    job.set_learning_rate(0.5)
    assert "pip has not answered yet to set learning rate to 0.5" in capsys.readouterr().err


def test_the_answer_to_an_earlier_command_is_not_taken_for_this_one(fake_jobs, job, monkeypatch, capsys):
    monkeypatch.setattr(telling, "ACKNOWLEDGED_SECONDS", 0.1)
    fake_jobs.add(CommandDone, command_number=1, command="pause", obeyed=True)
    fake_jobs.obeys = None
    job.pause()
    assert "has not answered yet to pause" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["x", 0, -1, float("nan")])
def test_impossible_values_are_refused(fake_jobs, job, value):
    with pytest.raises(gpt.GptNotebookError, match="learning_rate"):
        job.set_learning_rate(value)
    assert fake_jobs.requests("command") == []
