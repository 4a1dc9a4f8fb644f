"""Jobs side by side: the options in which they differ, and what came of them."""

from __future__ import annotations

import dataclasses
import json

import pytest
from fake_jobs import INFO

import gpt_notebook as gpt
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_events import StateChanged
from gpt_notebook.job_protocol import JobOptions, LoraOptions

pytestmark = pytest.mark.usefixtures("settings", "nothing_is_started")


def test_jobs_are_compared_by_what_differs(fake_jobs, model_kernel, monkeypatch):
    other = dataclasses.replace(
        INFO, id="2f", name="tale", options=JobOptions(lora=LoraOptions(rank=16)), chosen={"learning_rate": 1e-4}
    )
    mine = dataclasses.replace(INFO, chosen={"learning_rate": 1e-3}, step=2, max_steps=2, loss=1.5)
    model_kernel.answers["/v1/jobs"] = {"jobs": [dataclasses.asdict(mine), dataclasses.asdict(other)]}
    fake_jobs.step(1)
    fake_jobs.validated(1, 1.5)
    fake_jobs.step(2)
    fake_jobs.validated(2, 1.75, best=False)
    fake_jobs.add(StateChanged, state="succeeded", step=2)
    first, second = gpt.compare_jobs("pip", "tale")
    assert (first["learning_rate"], second["learning_rate"]) == (1e-3, 1e-4)
    assert (first["lora.rank"], second["lora.rank"]) == (8, 16)
    assert not {"seed", "method", "lora.alpha"} & set(first)
    assert (first["steps"], first["best_step"], first["validation_loss"], first["seconds"]) == (2, 1, 1.5, 1.0)
    assert (first["perplexity"], first["accuracy"]) == (2.25, 0.5)
    text = str(gpt.compare_jobs(gpt.job("pip"), "tale"))
    assert "lora.rank" in text
    assert ["time", "1", "s", "1", "s"] in [line.split() for line in text.splitlines()]
    assert json.dumps(gpt.compare_jobs("pip"))


def test_only_jobs_are_compared(fake_jobs):
    with pytest.raises(InvalidRequest, match="takes jobs or their names, not int"):
        gpt.compare_jobs([3])


def test_without_a_name_all_jobs_are_compared(fake_jobs):
    assert [each["job"] for each in gpt.compare_jobs()] == ["pip"]
    assert [each["job"] for each in gpt.compare_jobs(gpt.jobs(), "pip")] == ["pip", "pip"]
