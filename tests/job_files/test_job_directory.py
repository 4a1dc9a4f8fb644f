"""Where everything of a job is."""

from __future__ import annotations

import dataclasses
import json
import shutil
import stat

import pytest
from job_samples import make_job, spec

from gpt_notebook import adapter_places
from gpt_notebook.errors import InvalidRequest, JobError, JobNotFound
from gpt_notebook.job_files.directory import JobDirectory, JobSpec, directory_of, jobs_in
from gpt_notebook.job_protocol import LoraOptions


def test_what_a_job_is_comes_back_as_it_was_written(tmp_path):
    directory = make_job(
        tmp_path, lora=LoraOptions(targets=("c_attn",)), probes=("Once",), training_arguments={"a": [1]}
    )
    assert directory.spec() == spec(
        lora=LoraOptions(targets=("c_attn",)), probes=("Once",), training_arguments={"a": [1]}
    )


def test_only_its_owner_can_enter_it(tmp_path):
    directory = make_job(tmp_path)
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_fields_of_a_later_version_are_ignored():
    assert JobSpec.from_json({**spec().to_json(), "colour": "green"}) == spec()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"id": 3}', json.dumps({**spec().to_json(), "request": {}}), "\0"]
    + [json.dumps({**spec().to_json(), "created": created}) for created in (None, "now", True, float("nan"), 10**400)],
)
def test_a_damaged_job_says_which_file_it_is(tmp_path, text):
    directory = make_job(tmp_path)
    directory.spec_file.write_text(text)
    with pytest.raises(JobError, match=r"job\.json cannot be read"):
        directory.spec()


def test_a_job_that_is_none_is_not_found(tmp_path):
    with pytest.raises(JobNotFound, match="'nobody'"):
        directory_of(tmp_path, "nobody").spec()


@pytest.mark.parametrize("name", ["", "..", ".", "../pip", "a/b", "/etc", "Pip", ".tmp-x", "a" * 65, "a\n"])
def test_no_name_leads_anywhere_else(tmp_path, name):
    with pytest.raises(InvalidRequest, match="no name for a job"):
        directory_of(tmp_path, name)


def test_jobs_are_listed_by_name_and_what_is_none_is_not(tmp_path):
    make_job(tmp_path, "pip")
    make_job(tmp_path, "ann")
    (tmp_path / "jobs/.data").mkdir()
    (tmp_path / "jobs/empty").mkdir()
    (tmp_path / "jobs/file").write_text("")
    assert [each.name for each in jobs_in(tmp_path)] == ["ann", "pip"]
    assert jobs_in(tmp_path / "nowhere") == []


def test_a_spec_that_cannot_be_written_leaves_the_old_one_alone(tmp_path, monkeypatch):
    directory = make_job(tmp_path)

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gpt_notebook.job_files.disk.Disk.sync", full)
    with pytest.raises(OSError, match="No space"):
        directory.write_spec(spec(seed=4))
    assert directory.spec() == spec()
    assert [each.name for each in directory.path.iterdir()] == ["job.json"]


def test_a_job_keeps_its_id_under_another_name(tmp_path):
    job = make_job(tmp_path, "pip")
    before, renamed = job.spec(), job.rename("ann")
    assert renamed.path == tmp_path / "jobs/ann"
    assert (renamed.spec().name, renamed.spec().id) == ("ann", before.id)
    assert not job.exists()


def test_a_job_that_cannot_be_renamed_keeps_its_name(tmp_path, monkeypatch):
    job = make_job(tmp_path, "pip")
    before = job.spec()

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gpt_notebook.job_files.disk.Disk.write", full)
    with pytest.raises(OSError, match="No space"):
        job.rename("ann")
    assert (jobs_in(tmp_path), job.spec()) == ([job], before)


def test_what_is_below_home_is_found_after_home_was_moved(tmp_path):
    home = tmp_path / "home"
    job = make_job(home)
    below = dataclasses.replace(
        job.spec(), source=str(home / "jobs/owl/checkpoints/6"), adapter=str(home / "adapters/ann")
    )
    job.write_spec(below)
    assert job.spec() == below
    home.rename(tmp_path / "moved")
    moved = JobDirectory(tmp_path / "moved/jobs/pip").spec()
    assert moved.source == str(tmp_path / "moved/jobs/owl/checkpoints/6")
    assert moved.adapter == str(tmp_path / "moved/adapters/ann")


def test_a_home_that_is_a_link_is_the_same_home(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to("real")
    job = make_job(tmp_path / "home")
    job.write_spec(dataclasses.replace(job.spec(), source=str(tmp_path / "real/models/owl")))
    assert job.spec().source == str(tmp_path / "home/models/owl")


def test_a_copy_of_a_job_is_a_job_of_its_own(tmp_path):
    original = make_job(tmp_path, "pip")
    shutil.copytree(original.path, tmp_path / "jobs/ann")
    copy = JobDirectory(tmp_path / "jobs/ann").spec()
    assert copy.name == "ann"
    assert copy.id not in ("", original.spec().id)
    assert copy.id == JobDirectory(tmp_path / "jobs/ann").spec().id


@pytest.mark.parametrize("renamed", ["pip", "ann"])
def test_no_two_jobs_have_one_id_when_one_is_renamed_that_was_copied(tmp_path, renamed):
    shutil.copytree(make_job(tmp_path, "pip").path, tmp_path / "jobs/ann")
    before = {JobDirectory(tmp_path / "jobs" / name).spec().id for name in ("pip", "ann")}
    JobDirectory(tmp_path / "jobs" / renamed).rename("fox")
    assert len(before) == 2
    assert {job.spec().id for job in jobs_in(tmp_path)} == before


def test_the_best_step_is_the_one_that_adapters_are_found_by(tmp_path):
    directory = make_job(tmp_path)
    assert directory.best_step() is None
    directory.write_best(40)
    assert adapter_places.best(directory.path) == "40"
    assert directory.best_step() == 40
    directory.write_best(None)
    assert directory.best_step() is None
