"""A home for jobs, and jobs in it that train nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from gpt_notebook.model_kernel.jobs import events, watching
from gpt_notebook.model_kernel.jobs.jobs import Jobs
from model_kernel.jobs import company_of_jobs


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at jobs more often than one would in earnest."""
    monkeypatch.setattr(watching, "BUSY_SECONDS", 0.02)
    monkeypatch.setattr(watching, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.01)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    company_of_jobs.end_all(tmp_path / "home")


@pytest.fixture
def with_jobs(home: Path) -> Callable[[Callable[[Jobs], Coroutine[Any, Any, None]]], None]:
    """Runs a test with jobs, in an event loop."""

    def run(test: Callable[[Jobs], Coroutine[Any, Any, None]], **options: Any) -> None:
        jobs = company_of_jobs.made(home, **options)

        async def work() -> None:
            jobs.begin()
            try:
                await test(jobs)
            finally:
                jobs.close()

        try:
            asyncio.run(work())
        finally:
            for process in jobs.started:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                process.wait()

    return run
