"""Memory for a job whose turn it is."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import torch

from gpt_notebook.job_files.directory import JobDirectory, JobSpec
from gpt_notebook.job_files.journal import Reader
from gpt_notebook.job_protocol import JobOptions, JobRequest
from gpt_notebook.model_kernel.jobs import room
from gpt_notebook.model_kernel.jobs.register import Job
from gpt_notebook.model_kernel.jobs.room import Room, needed_by
from gpt_notebook.protocol import LoadRequest
from gpt_notebook.settings import MIB
from gpt_notebook.training.planning import choices
from model_kernel.asking import all_of


@pytest.fixture
def job(tmp_path, tiny):
    def make(line=b'{"text": "a fox"}\n', model=None, **options):
        directory = JobDirectory(tmp_path / "home" / "jobs" / "fox")
        directory.create()
        directory.data.write_bytes(line * 20)
        request = JobRequest(data="0" * 64, model="base", options=JobOptions(**options))
        spec = JobSpec(id="1", name="fox", created=0, request=request, source=model or tiny("gpt2"), fingerprint="f")
        return Job(directory, spec, Reader(directory.events))

    return make


@pytest.fixture
def two_models(engine, tiny):
    for family in ("gpt2", "llama"):
        all_of(engine.load(LoadRequest(model=tiny(family))))
    return engine._models


def made(models, job):
    return asyncio.run(Room(models).make(job))


def names(models):
    return [info.name for info in models.loaded()]


def test_where_there_is_room_nothing_leaves(two_models, job):
    assert made(two_models, job()) is None
    assert len(names(two_models)) == 2


def test_idle_models_leave_the_least_recently_used_first_until_there_is_enough(two_models, job, tiny, monkeypatch):
    monkeypatch.setattr(room, "free_memory", lambda _: 10**12 if len(names(two_models)) < 2 else 0)
    said = made(two_models, job())
    assert said == f"{tiny('gpt2')} left the memory for it, and will be loaded again when asked for"
    assert names(two_models) == [tiny("llama")]


def test_models_in_use_stay_and_it_is_said_that_it_will_be_tight(two_models, job, tiny, monkeypatch):
    monkeypatch.setattr(room, "free_memory", lambda _: MIB)
    with contextlib.ExitStack() as stack:
        for model in two_models._loaded.values():
            stack.enter_context(model.used())
        said = made(two_models, job())
        assert said.startswith("it takes about ")
        assert said.endswith(" MiB, and 1 MiB are free")
        assert len(names(two_models)) == 2


def test_what_cannot_be_foretold_is_left_to_the_job(two_models, job, tmp_path):
    (tmp_path / "empty").mkdir()
    assert made(two_models, job(model=str(tmp_path / "empty"))) is None


def test_longer_rows_more_samples_and_full_training_take_more(job):
    cpu = torch.device("cpu")

    def bytes_of(made):
        return needed_by(made.spec, made.directory, cpu)

    little = bytes_of(job(batch_size=1))
    assert little < bytes_of(job(batch_size=8))
    assert little < bytes_of(job(b'{"text": "%s"}\n' % (b"a fox " * 20), batch_size=1))
    assert little < bytes_of(job(batch_size=1, method="full"))


def test_room_is_made_for_as_many_samples_as_the_job_would_compute_together(job, monkeypatch):
    cpu = torch.device("cpu")
    line = b'{"text": "%s"}\n' % (b"a fox " * 10)

    def bytes_of(**options):
        made = job(line, **options)
        return needed_by(made.spec, made.directory, cpu)

    one, all_of_them = bytes_of(batch_size=8, micro_batch_size=1), bytes_of(batch_size=8)
    assert one < all_of_them
    monkeypatch.setitem(choices.PASS_TOKENS, "cpu", 1)
    assert bytes_of(batch_size=8) == one
