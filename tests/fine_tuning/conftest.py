"""A job as the fake model kernel has it."""

from __future__ import annotations

import pytest

import gpt_notebook as gpt
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.job_events import Probed, StateChanged


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(job_records, "RETRY_SECONDS", 0.0)


@pytest.fixture
def job(fake_jobs):
    return gpt.job("pip")


@pytest.fixture
def trained(fake_jobs, job):
    """A job that has died after its third step and has done the third again."""
    fake_jobs.add(StateChanged, state="running")
    fake_jobs.prepared(max_steps=4)
    fake_jobs.add(Probed, step=0, index=0, prompt="Once", text=" upon")
    for step in (1, 2, 3):
        fake_jobs.step(step, loss=4.0 - step)
    fake_jobs.validated(2, 1.5)
    fake_jobs.add(StateChanged, state="running", attempt=2)
    fake_jobs.prepared(step=2, attempt=2)
    for step in (3, 4):
        fake_jobs.step(step, loss=0.5, attempt=2)
    fake_jobs.add(Probed, step=4, index=0, prompt="Once", text=" more", attempt=2)
    fake_jobs.add(StateChanged, state="succeeded", step=4, attempt=2)
    return job
