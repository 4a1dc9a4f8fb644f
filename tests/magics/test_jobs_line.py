"""`%gpt jobs`, and jobs in `%gpt status`."""

from __future__ import annotations

import dataclasses

import pytest
from fake_jobs import INFO
from IPython.core.completer import provisionalcompleter

from gpt_notebook import api
from gpt_notebook.errors import InvalidRequest, JobNotFound
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.fine_tuning.job import Job
from gpt_notebook.magics import model_names
from gpt_notebook.magics.help_text import JOB_COMMANDS
from gpt_notebook.protocol import RunningJob, Status


@pytest.fixture(autouse=True)
def infos(monkeypatch):
    found = [
        INFO,
        dataclasses.replace(INFO, id="2f", name="tale", state="paused", reason="user", result="storyteller+tale"),
    ]
    for name in ("infos", "listed"):
        monkeypatch.setattr(job_records, name, lambda: found)
    monkeypatch.setattr(job_records, "latest", lambda known: next(each for each in found if each.id == known.id))
    monkeypatch.setattr(model_names, "PATIENCE", 10.0)


def shown(shell):
    return "\n".join(output.data["text/plain"] for output in shell.outputs())


def test_jobs_are_listed_with_what_they_are_used_as(shell):
    shell.run("%gpt jobs")
    lines = shown(shell).splitlines()
    assert lines[1].split()[:3] == ["pip", "running", "0"]
    assert lines[2].split() == ["tale", "paused", "0", "storyteller", "storyteller+tale"]


def test_one_job_is_shown(shell):
    shell.run("%gpt jobs tale")
    assert "use it  %%gpt -m storyteller+tale" in shown(shell)


@pytest.mark.parametrize("command", JOB_COMMANDS)
def test_a_job_is_told_something(shell, monkeypatch, command):
    told = []
    monkeypatch.setattr(Job, command, lambda self: told.append(self.id) is None)
    shell.run(f"%gpt jobs tale {command}")
    assert told == ["2f"]
    assert ("tale is deleted" if command == "delete" else "job     tale") in shown(shell)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "jobs pip pase",
            "what a job is told is one of pause, resume, stop, cancel, delete, not 'pase'; did you mean pause?",
        ),
        ("jobs pip pause now", "%gpt jobs: unexpected 'now'; it is written %gpt jobs"),
        ("jobs --all", "unexpected '--all'"),
    ],
)
def test_what_makes_no_sense_is_refused(shell, line, words):
    with pytest.raises(InvalidRequest) as caught:
        shell.run(f"%gpt {line}")
    assert words in caught.value.message


def test_a_job_that_is_not_there(shell):
    with pytest.raises(JobNotFound, match="did you mean tale"):
        shell.run("%gpt jobs tail")


def test_status_tells_of_jobs(shell, monkeypatch):
    jobs = (
        RunningJob(name="pip", state="running", step=3, max_steps=1200),
        RunningJob(name="tale", state="queued", position=1),
    )
    monkeypatch.setattr(api, "status", lambda: Status(state="ready", jobs=jobs))
    shell.run("%gpt status")
    lines = [" ".join(line.split()) for line in shown(shell).splitlines()]
    assert lines[-3:] == ["job state step", "pip running 3 of 1,200", "tale queued, 1 job before it 0"]


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("%gpt jobs t", {"%gpt jobs tale"}),
        ("%gpt jobs tale pa", {"%gpt jobs tale pause"}),
        ("%gpt jo", {"%gpt jobs"}),
    ],
)
def test_tab_completes_names_and_commands(shell, text, becomes):
    with provisionalcompleter():
        found = {text[: each.start] + each.text for each in shell.Completer.completions(text, len(text))}
    assert found == becomes
