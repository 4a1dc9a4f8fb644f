"""Whose job it is: the lock decides, and no number in its file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from job_samples import make_job

from gpt_notebook.job_files.lock import Holder, _identity, hold, holder

# In one piece each, as two processes write into the same pipe.
HOLDING = """
import os, sys
from pathlib import Path
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.lock import hold

with hold(JobDirectory(Path(sys.argv[1]))) as held:
    if len(sys.argv) > 2 and os.fork() == 0:
        # As a library's helper process, which outlives the job's.
        os.write(1, b"forked\\n")
        sys.stdin.read()
        os._exit(0)
    os.write(1, f"{held}\\n".encode())
    sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path):
    return make_job(tmp_path)


@pytest.fixture
def somebody(directory):
    """Another process that asks for the lock; gives what it says, too."""
    started = []

    def start(*arguments):
        command = [sys.executable, "-c", HOLDING, str(directory.path), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        said = [process.stdout.readline().strip() for _ in range(1 + len(arguments))]
        return process, "True" in said

    yield start
    for process in started:
        process.kill()
        with process:
            pass


def test_one_process_holds_it_and_no_second_does(directory, somebody):
    process, held = somebody()
    assert held
    assert holder(directory).pid == process.pid
    assert holder(directory).host == socket.gethostname()
    assert not somebody()[1]
    with hold(directory) as ours:
        assert not ours
    assert holder(directory).pid == process.pid


def test_it_is_free_when_its_process_is_killed(directory, somebody):
    process, _ = somebody()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert directory.lock.read_bytes() != b"{}"
    assert holder(directory) is None
    with hold(directory) as held:
        assert held


def test_it_is_free_when_its_process_is_killed_though_one_that_it_forked_off_lives(directory, somebody):
    process, held = somebody("fork")
    assert held
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert holder(directory) is None


def test_it_is_free_when_its_process_is_done(directory):
    with hold(directory) as held:
        assert held
        assert holder(directory).pid == os.getpid()
    assert holder(directory) is None
    assert directory.lock.read_bytes() == b"{}"


def test_within_a_process_it_is_held_once_as_well(directory):
    with hold(directory) as held, hold(directory) as again:
        assert (held, again) == (True, False)
    with hold(directory) as held:
        assert held


def test_who_waits_gets_it(directory, somebody):
    process, _ = somebody()
    with ThreadPoolExecutor() as pool:

        def wait():
            with hold(directory, wait=60) as held:
                return held

        waiting = pool.submit(wait)
        process.kill()
        assert waiting.result()


@pytest.mark.parametrize(
    "said",
    [
        {**_identity(os.getpid()), "boot": "another"},
        {**_identity(os.getpid()), "started": 1},
        _identity(os.getpid()),
        {"pid": 1, "started": 1, "boot": "another"},
    ],
    ids=["rebooted", "reused", "of ours", "of init"],
)
def test_after_a_reboot_that_reuses_its_pid_the_lock_is_nobodys(directory, said):
    directory.lock.write_text(json.dumps({**said, "host": socket.gethostname(), "since": 1.0}))
    assert holder(directory) is None
    with hold(directory) as held:
        assert held


@pytest.mark.parametrize("changed", [{"boot": "another"}, {"started": 1}, {"host": "elsewhere"}, {"pid": 2**22 + 1}])
def test_a_pid_is_told_only_where_it_is_certainly_the_holders(directory, changed):
    with hold(directory):
        said = json.loads(directory.lock.read_bytes())
        assert holder(directory).pid == os.getpid()
        directory.lock.write_text(json.dumps({**said, **changed}))
        assert holder(directory).pid is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": "x", "host": "", "since": 1}', "\0\0"])
def test_a_holder_of_whom_nothing_is_said_holds_it(directory, text):
    with hold(directory):
        directory.lock.write_text(text)
        assert holder(directory) == Holder()


def test_looking_takes_it_from_nobody(directory):
    with hold(directory):
        pass
    with ThreadPoolExecutor(4) as pool:
        looking = [pool.submit(lambda: [holder(directory) for _ in range(300)]) for _ in range(3)]
        for _ in range(100):
            with hold(directory) as held:
                assert held
        seen = {each.pid for look in looking for each in look.result() if each is not None}
    assert seen <= {os.getpid(), None}


def test_the_lock_of_a_job_that_was_deleted_or_moved_meanwhile_is_not_the_new_ones(directory):
    with hold(directory) as held:
        assert held
        directory.path.rename(directory.path.with_name("moved"))
        make_job(directory.home)
        with hold(directory) as new:
            assert new


def test_without_a_job_there_is_nothing_to_hold(directory):
    directory.spec_file.unlink()
    directory.path.rmdir()
    assert holder(directory) is None
    with pytest.raises(FileNotFoundError), hold(directory):
        pass


def test_only_a_jobs_process_says_that_it_is_one(directory):
    with hold(directory):
        assert not holder(directory).is_job
    with hold(directory, as_job=True):
        assert holder(directory).is_job
