"""What trains is what job.json says, or nothing."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from gpt_notebook.job_files.directory import JobDirectory
from training.tiny_jobs import events, make_job, rows, train


@pytest.fixture
def pip(tmp_path, tiny_base):
    base = tmp_path / "home" / "models" / "base"
    shutil.copytree(tiny_base, base)
    return make_job(tmp_path / "home", base, rows(4), validation=rows(2, first=9), max_steps=2)


def failure(directory):
    outcome = train(directory)
    assert (outcome.state, outcome.reason, events(directory)[-1].state) == ("failed", "error", "failed")
    assert not directory.checkpoints.exists()
    return outcome.message


def test_other_data_are_not_trained_on(pip):
    shutil.copy(pip.validation, pip.data)
    assert f"data.jsonl in {pip.path} is not what job.json says: start the job again" in failure(pip)


def test_other_samples_are_not_validated_on(pip):
    spec = pip.spec()
    pip.write_spec(dataclasses.replace(spec, request=dataclasses.replace(spec.request, validation=None)))
    assert "validation.jsonl in" in failure(pip)


@pytest.mark.parametrize("what", ["source", "adapter"])
def test_files_that_have_gone_are_said_to_have(pip, what):
    pip.write_spec(dataclasses.replace(pip.spec(), **{what: "/old/home/jobs/owl/checkpoints/6"}))
    assert "are not in /old/home/jobs/owl/checkpoints/6 any more: start the job again" in failure(pip)


def test_a_home_can_be_moved_with_the_model_that_a_job_begins_from(pip, tmp_path):
    pip.home.rename(tmp_path / "moved")
    assert train(JobDirectory(tmp_path / "moved" / "jobs" / "pip")).state == "succeeded"
