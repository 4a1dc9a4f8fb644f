"""OpenMP is told how to wait when torch is imported; nobody else hears of it."""

import os
import subprocess
import sys

import pytest

from gpt_notebook import openmp


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch):
    for name in openmp.NAMES:
        monkeypatch.delenv(name, raising=False)


def test_it_is_told_and_the_environment_is_as_before():
    before = dict(os.environ)
    with openmp.configured(begin_with_one=True):
        assert [os.environ[name] for name in openmp.NAMES] == ["1", openmp.SPINS, "PASSIVE"]
    assert dict(os.environ) == before


def test_threads_compute_together_at_once_where_nothing_else_is_asked_for():
    with openmp.configured():
        assert [os.environ.get(name) for name in openmp.NAMES] == [None, openmp.SPINS, "PASSIVE"]


def test_what_users_have_set_stays(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with openmp.configured(begin_with_one=True):
        assert [os.environ.get(name) for name in openmp.NAMES] == ["3", None, "ACTIVE"]
    assert [os.environ.get(name) for name in openmp.NAMES] == ["3", None, "ACTIVE"]


def test_a_number_of_their_own_stays_beside_ours(monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with openmp.configured(begin_with_one=True):
        assert [os.environ[name] for name in openmp.NAMES] == ["1", "7", "PASSIVE"]
    assert [os.environ.get(name) for name in openmp.NAMES] == ["3", "7", None]


THREADS = """
import threading
from gpt_notebook import openmp
with openmp.configured(begin_with_one=True):
    import torch
from gpt_notebook.model_kernel import threads
found = []
def compute(count):
    if count:
        threads.use(count)
    torch.ones(1000, 1000) @ torch.ones(1000, 1000)
    found.append(torch.get_num_threads())
for count in (2, 0):
    thread = threading.Thread(target=compute, args=(count,))
    thread.start()
    thread.join()
print(*found)
"""


def test_only_threads_that_ask_for_it_compute_with_several():
    """Also those that begin afterwards."""
    found = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.split() == ["2", "1"]


def test_processors_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3, 5, 6}, raising=False)
    assert openmp.processors() == 3
