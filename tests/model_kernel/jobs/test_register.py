"""What is known of all jobs, whatever has become of one of them."""

from __future__ import annotations

import json
import os

import pytest
from job_files.job_samples import make_job

from gpt_notebook.errors import JobError
from gpt_notebook.job_events import StateChanged
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.model_kernel.jobs.register import Register

NOT_FILES = [os.mkdir, os.mkfifo, lambda path: path.symlink_to(path.name)]


def queued(home, name):
    directory = make_job(home, name)
    with Journal(directory.events) as events:
        events.write(StateChanged, state="queued")
    return directory


@pytest.mark.parametrize("make", NOT_FILES)
@pytest.mark.parametrize("name", ["events.jsonl", "control.jsonl", "job.json"])
def test_what_is_no_file_keeps_nobody_from_the_others(tmp_path, make, name):
    damaged = queued(tmp_path, "ann")
    queued(tmp_path, "pip")
    (damaged.path / name).unlink(missing_ok=True)
    make(damaged.path / name)
    left = ["ann", "pip"] if name == "control.jsonl" else ["pip"]
    assert [info.name for info in Register(tmp_path).infos()] == left


def test_a_job_that_cannot_be_read_is_left_out_and_that_is_said_once(tmp_path, caplog):
    damaged = queued(tmp_path, "ann")
    queued(tmp_path, "pip")
    register = Register(tmp_path)
    step = {"step": 10**400, "epoch": 1, "loss": 10**400, "learning_rate": 1, "grad_norm": 1, "tokens": 1, "seconds": 1}
    with damaged.events.open("a") as file:
        said = {"type": "step", "number": 2, "attempt": 1, "time": 10**400, **step, "memory": 1}
        file.write(json.dumps(said) + "\n")
        said = {"type": "state", "number": 3, "attempt": 1, "time": 10**400, "state": "running"}
        file.write(json.dumps(said) + "\n")
    for _ in range(3):
        assert [job.spec.name for job in register.look() if register.info("pip")][-1] == "pip"
        assert "pip" in [info.name for info in register.infos()]
    damaged.events.unlink()
    damaged.events.mkdir()
    caplog.clear()
    for _ in range(3):
        assert [job.spec.name for job in register.look()] == ["pip"]
        assert [info.name for info in register.infos()] == ["pip"]
        with pytest.raises(JobError, match="'ann' cannot be read"):
            register.find("ann")
    assert len(caplog.records) == 1
