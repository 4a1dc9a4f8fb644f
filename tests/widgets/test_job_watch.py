"""A job is followed wherever it is: in a directory that nobody serves, or on the machine of a model kernel far away."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
from fake_jobs import INFO
from fine_tuning_views import FineTuningView
from job_files.job_samples import Attempt, make_job

from gpt_notebook.job_events import StateChanged
from gpt_notebook.job_files import lock
from gpt_notebook.session import session
from gpt_notebook.widgets import _job_reading, _job_watch
from gpt_notebook.widgets.fine_tuning import FineTuningPanel


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(_job_watch, "REST_SECONDS", 0.02)
    monkeypatch.setattr(_job_watch, "WHOLE_SECONDS", 0.05)
    monkeypatch.setattr(_job_watch, "MISSING_SECONDS", 0.1)
    monkeypatch.setattr(_job_reading.AskedReading, "look_seconds", 0.02)
    monkeypatch.setattr(_job_reading.DirectoryReading, "look_seconds", 0.02)


@pytest.fixture
def shown(built):
    panels = []

    def show(job):
        panels.append(FineTuningPanel(job))
        return FineTuningView(panels[-1])

    yield show
    for each in panels:
        each.close()


# --- a directory that nobody serves ---------------------------------------------------------------------------------


@pytest.fixture
def directory(settings, nothing_is_started):
    return make_job(session.settings.home_directory(), max_steps=30)


def test_a_job_is_there_without_any_model_kernel(directory, shown):
    with lock.hold(directory, as_job=True):
        attempt = Attempt(directory).steps(5, save_at=[5])
        view = shown("pip")
        following = view.follow("3f")
        known = view.until(following, lambda known: len(known.steps) == 5)
        assert known.info["state"] == "running"
        assert known.news["reachable"] is False
        attempt.steps(1)
        known = view.until(following, lambda known: known.steps[-1] == 6, known)
        assert (known.info["step"], known.info["loss"]) == (6, 1.0)


def test_a_process_that_dies_without_a_word_is_seen(directory, shown):
    with lock.hold(directory, as_job=True):
        Attempt(directory).steps(2)
        view = shown("pip")
        following = view.follow("3f")
        known = view.until(following, lambda known: known.info["state"] == "running")
    known = view.until(following, lambda known: known.info["state"] == "failed", known)
    assert known.info["reason"] == "died"


def test_of_two_attempts_the_later_steps_count(directory, shown):
    Attempt(directory).steps(6).dies(torn=b'{"type": "step", "num')
    view = shown("pip")
    following = view.follow("3f")
    known = view.until(following, lambda known: len(known.steps) == 6)
    Attempt(directory, begins=4).steps(1)
    known = view.until(following, lambda known: known.steps == [1, 2, 3, 4, 5], known)
    assert known.rows[:, 1].tolist() == [1, 1, 1, 1, 2]


def test_a_job_of_a_later_version_is_shown_as_far_as_it_is_understood(directory, shown):
    """Its job.json and its events have fields, and kinds of events, that nobody knows here."""
    Attempt(directory).steps(3).dies(
        torn=b'{"type": "dreamt", "number": 6, "attempt": 1, "time": 1.0, "of": "sheep"}\n'
    )
    said = json.loads(directory.spec_file.read_text())
    directory.spec_file.write_text(
        json.dumps(said | {"weather": "fine", "request": said["request"] | {"mood": "good"}})
    )
    Attempt(directory, begins=3).steps(2)
    view = shown("pip")
    known = view.until(view.follow("3f"), lambda known: known.steps == [1, 2, 3, 4, 5])
    assert known.news["gone"] is None
    assert known.info["model"] == "storyteller"


def test_a_home_that_is_moved_to_another_machine_has_its_jobs_there(directory, tmp_path, monkeypatch, shown):
    Attempt(directory).steps(2)
    shutil.copytree(session.settings.home_directory(), tmp_path / "moved")
    monkeypatch.setenv("GPT_NOTEBOOK_HOME", str(tmp_path / "moved"))
    view = shown("pip")
    known = view.until(view.follow("3f"), lambda known: known.steps == [1, 2])
    assert known.info["directory"] == str(tmp_path / "moved" / "jobs" / "pip")


def test_a_job_json_that_nobody_can_read_keeps_what_is_on_the_screen(directory, shown):
    Attempt(directory).steps(2)
    view = shown("pip")
    following = view.follow("3f")
    known = view.until(following, lambda known: known.steps == [1, 2])
    said = directory.spec_file.read_text()
    directory.spec_file.write_text("{")
    Attempt(directory, begins=2).steps(1)
    known = view.until(following, lambda known: not known.news["reachable"], known)
    directory.spec_file.write_text(said)
    known = view.until(following, lambda known: known.steps == [1, 2, 3], known)
    assert known.news["gone"] is None


def test_a_directory_that_is_deleted_is_said_and_its_curve_stays(directory, shown):
    Attempt(directory).steps(2)
    view = shown("pip")
    following = view.follow("3f")
    known = view.until(following, lambda known: known.steps == [1, 2])
    shutil.rmtree(directory.path)
    known = view.until(following, lambda known: known.news["gone"] is not None, known)
    assert "there is no job" in known.news["gone"] or "is there no more" in known.news["gone"]
    assert known.steps == [1, 2]
    assert view.wait(following)[-1][0]["kind"] == "answer"
    later = view.wait(view.follow("3f", known))
    assert later[0][0]["result"]["gone"] == known.news["gone"]


# --- on another machine ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_is_started")
def test_a_job_of_another_machine_is_asked_for(fake_jobs, shown):
    view = shown("pip")
    following = view.follow("1f")
    fake_jobs.add(StateChanged, state="running")
    fake_jobs.step(1)
    known = view.until(following, lambda known: known.steps == [1])
    fake_jobs.step(2, loss=1.5)
    known = view.until(following, lambda known: known.steps == [1, 2], known)
    assert known.rows[-1, 1] == 1.5
    assert known.news["reachable"] is True


def test_its_place_in_the_queue_is_told(fake_jobs, shown):
    fake_jobs.info = dataclasses.replace(INFO, state="queued", position=2)
    view = shown("pip")
    assert view.until(view.follow("1f"), lambda _: True).info["position"] == 2


def test_a_model_kernel_that_is_gone_is_said_and_found_again(fake_jobs, remote, model_kernel, monkeypatch, shown):
    """What is known stays on the screen meanwhile."""
    monkeypatch.setenv("GPT_NOTEBOOK_URL", remote.address)
    monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", "a-token-for-tests-as-long-as-others")
    remote.answers, remote.scripts = model_kernel.answers, model_kernel.scripts
    fake_jobs.step(1)
    view = shown("pip")
    following = view.follow("1f")
    known = view.until(following, lambda known: known.steps == [1])
    remote.refusals = 10**9
    known = view.until(following, lambda known: not known.news["reachable"], known)
    assert (known.steps, known.news["gone"]) == ([1], None)
    fake_jobs.step(2)
    remote.refusals = 0
    view.until(following, lambda known: known.news["reachable"] and known.steps == [1, 2], known)
