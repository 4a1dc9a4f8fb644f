"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator

import pytest

from gpt_notebook import launcher
from gpt_notebook.session import Session, session

pytest_plugins = ["fake_model_kernel", "fake_jobs", "notebook_shell"]

# The hub's library reads these once, when it is imported: no test may see the user's cache, token or network.
_HUB = tempfile.TemporaryDirectory(prefix="gpt-hub-")
os.environ.update(HF_HOME=_HUB.name, HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")

# What is compiled for this machine is the same for all tests.
_COMPILED = tempfile.TemporaryDirectory(prefix="gpt-compiled-")
os.environ.update(GPT_NOTEBOOK_COMPILED=_COMPILED.name)


# Tests interrupt themselves and the processes that they start; a shell that runs the tests in its background has taught
# them to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let no test be left out unnoticed where changes are checked."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def session_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a test connects to and uses from the tests after it."""
    monkeypatch.setattr(session, "__dict__", vars(Session()))


@pytest.fixture
def nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail rather than start a model kernel by accident."""

    def refuse(*_arguments: object) -> None:
        pytest.fail("a model kernel would have been started")

    monkeypatch.setattr(launcher, "_started", refuse)


@pytest.fixture(autouse=True)
def directories_of_their_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep every test, and every process that it starts, away from the user's model kernel and files."""
    with tempfile.TemporaryDirectory(prefix="gpt-") as base:
        monkeypatch.setenv("GPT_NOTEBOOK_RUNTIME_DIR", f"{base}/run")
        monkeypatch.setenv("GPT_NOTEBOOK_HOME", f"{base}/home")
        monkeypatch.delenv("GPT_NOTEBOOK_URL", raising=False)
        monkeypatch.delenv("GPT_NOTEBOOK_TOKEN", raising=False)
        yield
