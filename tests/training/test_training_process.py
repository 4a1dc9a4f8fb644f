"""The process of a job: alone with it, only when it is its turn, and gone on from whenever it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from gpt_notebook.job_events import StateChanged, StepDone
from gpt_notebook.job_files import lock
from gpt_notebook.job_files.journal import Journal
from training.tiny_jobs import events, make_job, queue, rows, same, train, weights


@pytest.fixture
def make(tmp_path, tiny_base):
    def make(name="pip", **options):
        options = {"max_steps": 4, "batch_size": 2, "save_every": 2, "learning_rate": 1e-2} | options
        return make_job(tmp_path, tiny_base, rows(8), name=name, **options)

    return make


def test_two_processes_never_have_the_same_job(make):
    pip = make()
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(pip.path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    try:
        assert held.stdout.readline() == "held\n"
        late = start(pip)
        assert late.wait() == 1
        assert "another process has the job" in pip.log.read_text()
        assert not events(pip)
    finally:
        held.communicate("\n")


HOLD = """
import sys, pathlib
from gpt_notebook.job_files import lock
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_files.directory import JobDirectory
with lock.hold(JobDirectory(pathlib.Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.readline()
"""


def start(directory):
    environment = {**os.environ, "GPT_NOTEBOOK_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with directory.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "gpt_notebook.training", str(directory.path)],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


@pytest.mark.parametrize("state", ["running", "paused", "failed", "cancelled", "succeeded"])
def test_a_process_whose_turn_it_is_not_leaves_before_it_reads_anything(make, state):
    pip = make()
    with Journal(pip.events) as journal:
        journal.write(StateChanged, state=state)
    before = pip.events.read_bytes()
    program = "import sys; from gpt_notebook.training.__main__ import main; code = main(); sys.exit(code or 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program, str(pip.path)], capture_output=True, text=True, check=False)
    assert (found.returncode, pip.events.read_bytes()) == (0, before)
    assert f"which is {state}" in found.stderr


def wait_for_step(directory, step, process):
    while not any(each.step >= step for each in events(directory, StepDone)):
        assert process.poll() is None, directory.log.read_text()
        time.sleep(0.005)


def test_a_process_killed_and_one_told_to_leave_are_gone_on_from_exactly(make):
    options = {"max_steps": 60, "save_every": 7, "probes": ("the fox",), "probe_tokens": 3}
    whole, broken = make("whole", **options), make("broken", **options)
    first = start(broken)
    wait_for_step(broken, 12, first)
    first.kill()
    first.wait()
    assert lock.holder(broken) is None
    queue(broken)
    second = start(broken)
    wait_for_step(broken, 30, second)
    second.terminate()
    assert second.wait() == 0
    assert events(broken, StateChanged)[-1].state in ("paused", "succeeded")
    queue(broken)
    assert start(broken).wait() == 0
    assert train(whole).state == "succeeded"
    assert events(broken, StateChanged)[-1].state == "succeeded"
    assert same(weights(whole, 60), weights(broken, 60))
    assert broken.log.read_text() == ""


def test_a_directory_without_a_job_is_said_in_a_line(tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "gpt_notebook.training", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert "there is no job" in found.stderr
