"""The launcher: one model kernel for all who ask, the right one, and an honest line when there can be none."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_model_kernel import TOKEN, FakeModelKernel, serving

from gpt_notebook import identity, launcher, model_process
from gpt_notebook.errors import (
    ModelKernelBusy,
    ModelKernelError,
    ModelKernelMismatch,
    ModelKernelNotRunning,
    ModelKernelStartFailed,
    RuntimeDirectoryError,
)
from gpt_notebook.protocol import Progress
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import Settings

TESTS = Path(__file__).parent

SERVE = textwrap.dedent(
    f"""
    import os, sys
    sys.path[:0] = [{str(TESTS)!r}, {str(identity.PACKAGE.parent)!r}]
    from fake_model_kernel import serving
    from gpt_notebook import identity
    from gpt_notebook.protocol import Status
    from gpt_notebook.runtime import RuntimeDirectory
    from gpt_notebook.settings import Settings

    directory = RuntimeDirectory.of(Settings.from_environment())
    status = Status(state="ready", pid=os.getpid(), source_hash=identity.source_hash(), prefix=sys.prefix)
    with directory.lock("server", wait=0) as mine:
        if mine:
            with serving(directory, status) as kernel:
                kernel._thread.join()
    """
)
"""A model kernel as far as the launcher can tell, in a process of its own."""


@pytest.fixture
def started(settings, monkeypatch):
    """Have the launcher start fakes; ends those that were."""
    pids: list[int] = []
    start = model_process.ModelProcess.start

    def remembered(*arguments):
        process = start(*arguments)
        pids.append(process.process.pid)
        return process

    monkeypatch.setattr(model_process.ModelProcess, "start", remembered)
    monkeypatch.setattr(model_process, "command", lambda: [sys.executable, "-P", "-c", SERVE])
    yield pids
    for pid in pids:
        with_nobody_left(pid)


def with_nobody_left(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def commanding(monkeypatch, code: str) -> None:
    monkeypatch.setattr(model_process, "command", lambda: [sys.executable, "-c", code])


def test_looking_starts_nothing(settings, started):
    assert launcher.running(settings) is None
    assert not launcher.stop(settings)
    assert started == []


def test_the_first_to_ask_starts_one_and_the_next_finds_it(settings, started):
    first = launcher.ensure(settings)
    assert launcher.ensure(settings).status().pid == first.status().pid == started[0]
    assert len(started) == 1


def test_whoever_waits_for_it_is_told_so(settings, started):
    assert next(launcher.ensuring(settings)) == Progress(stage="starting")


def test_it_gets_a_session_of_its_own_and_no_secrets(settings, started, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", "s3cret")
    launcher.ensure(settings)
    (pid,) = started
    assert os.getsid(pid) == pid
    seen = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
    token = RuntimeDirectory.of(settings).token()
    assert not any(secret.encode() in seen for secret in ("hf_secret", "s3cret", token))


def test_it_is_told_the_settings_of_this_process_not_of_the_environment(settings, tmp_path):
    environment = model_process.environment(dataclasses.replace(settings, idle_timeout=5.0, home=tmp_path, device=None))
    assert environment["GPT_NOTEBOOK_IDLE_TIMEOUT"] == "5.0"
    assert Settings.from_environment(environment).home == tmp_path
    assert "GPT_NOTEBOOK_DEVICE" not in environment


def test_many_processes_that_ask_at_once_get_the_same(settings, started):
    ask = textwrap.dedent(
        f"""
        import sys
        from gpt_notebook import launcher, model_process
        from gpt_notebook.settings import Settings
        model_process.command = lambda: [sys.executable, "-P", "-c", {SERVE!r}]
        sys.stdin.read()
        print(launcher.ensure(Settings.from_environment()).status().pid)
        """
    )
    environment = os.environ | {"PYTHONPATH": str(identity.PACKAGE.parent)}
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(8)
    ]
    for process in asking:
        process.stdin.close()
        process.stdin = None
    pids = {process.communicate()[0].strip() for process in asking}
    assert len(pids) == 1
    started.append(int(pids.pop()))


def test_after_a_kill_the_next_call_starts_another(settings, started):
    launcher.ensure(settings)
    os.kill(started[0], signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):  # It has been waited for already.
        os.waitid(os.P_PID, started[0], os.WEXITED | os.WNOWAIT)
    assert launcher.ensure(settings).status().pid == started[1]


def test_a_socket_and_an_address_that_are_left_over_do_not_matter(settings, started):
    with serving(RuntimeDirectory.of(settings)):
        pass
    assert launcher.running(settings) is None
    launcher.ensure(settings)
    assert len(started) == 1


def test_an_idle_one_of_another_version_is_replaced(settings, started):
    with serving(RuntimeDirectory.of(settings)) as old:
        old.status = dataclasses.replace(old.status, source_hash="older")
        assert launcher.ensure(settings).status().pid == started[0]
        assert old.requests("/v1/stop") == [{"force": False}]


def test_a_busy_one_of_another_version_stays(settings, started, model_kernel):
    model_kernel.busy = True
    model_kernel.status = dataclasses.replace(model_kernel.status, protocol=99)
    with pytest.raises(ModelKernelMismatch, match=r"speaks protocol 99.*gpt-notebook stop --force"):
        launcher.ensure(settings)
    assert started == []


def test_a_process_that_is_out_of_date_itself_replaces_nothing(settings, model_kernel, monkeypatch):
    class Outdated:
        __wrapped__ = staticmethod(lambda: "newer")

        def __call__(self) -> str:
            return "older"

    monkeypatch.setattr(identity, "source_hash", Outdated())
    with pytest.raises(ModelKernelMismatch, match="restart the notebook kernel"):
        launcher.ensure(settings)
    assert model_kernel.requests("/v1/stop") == []


def test_one_that_is_leaving_is_waited_for(settings, started):
    """It answers that it is stopping, holds the server lock, and then lets go."""
    directory = RuntimeDirectory.of(settings)
    with serving(directory) as old:
        old.status = dataclasses.replace(old.status, state="stopping")
        held = directory.lock("server", wait=0)
        assert held.__enter__()
        threading.Timer(0.3, held.__exit__, (None, None, None)).start()
        client = launcher.ensure(settings)
    assert client.status().pid == started[-1]


def test_one_that_cannot_start_says_why(settings, monkeypatch):
    commanding(monkeypatch, "import sys; print('noise', flush=True); sys.exit('no room on the device')")
    with pytest.raises(ModelKernelStartFailed, match="did not start: no room on the device"):
        launcher.ensure(settings)


def test_one_that_never_answers_is_ended(settings, monkeypatch):
    commanding(monkeypatch, "import time; print('thinking', flush=True); time.sleep(60)")
    with pytest.raises(ModelKernelStartFailed, match="GPT_NOTEBOOK_START_TIMEOUT"):
        launcher.ensure(dataclasses.replace(settings, start_timeout=0.3))


def test_a_lock_that_is_held_by_one_that_does_not_answer(settings, started):
    directory = RuntimeDirectory.of(settings)
    directory.create()
    with directory.lock("server", wait=0):
        with pytest.raises(ModelKernelStartFailed, match=r"server\.lock"):
            launcher.ensure(dataclasses.replace(settings, start_timeout=0.3))
    assert started == []


def test_one_that_was_killed_says_so(settings, monkeypatch):
    commanding(monkeypatch, "import os, signal; print('noise', flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(ModelKernelStartFailed, match=r"it was killed \(signal 9\): out of memory\?"):
        launcher.ensure(settings)


def test_one_with_another_token_is_waited_for_and_named(settings, started, model_kernel):
    directory = RuntimeDirectory.of(settings)
    (directory.path / "token").unlink()
    with directory.lock("server", wait=0):
        directory.write_pid()
        with pytest.raises(ModelKernelStartFailed, match=rf"process {os.getpid()}\) was started with another token"):
            launcher.ensure(dataclasses.replace(settings, start_timeout=0.3))
    assert started == []


def test_one_with_another_token_is_replaced_when_it_has_left(settings, started):
    directory = RuntimeDirectory.of(settings)
    with contextlib.ExitStack() as life, serving(directory) as old, pytest.MonkeyPatch.context() as waiting:
        life.callback(old.close)
        assert life.enter_context(directory.lock("server", wait=0))
        (directory.path / "token").unlink()

        def leave_now(_seconds):
            assert old.calls
            waiting.undo()
            life.close()

        # The launcher's own clock: other threads sleep, too, and would end the old one beside the new one.
        waiting.setattr(launcher, "time", SimpleNamespace(sleep=leave_now, monotonic=time.monotonic))
        assert launcher.ensure(settings).status().pid == started[0]


HOLD = textwrap.dedent(
    """
    import signal, sys
    from gpt_notebook.runtime import RuntimeDirectory
    from gpt_notebook.settings import Settings

    directory = RuntimeDirectory.of(Settings.from_environment())
    with directory.lock("server", wait=0):
        directory.write_pid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("held", flush=True)
        sys.stdin.read()
    """
)
"""Holds the lock, answers nothing and ignores a polite signal."""


@pytest.fixture
def holding(settings, monkeypatch):
    """Start processes that hold the lock, each with a word on its command line."""
    RuntimeDirectory.of(settings).create()
    monkeypatch.setattr(model_process, "END_SECONDS", 0.2)
    processes = []

    def hold(word):
        command = [sys.executable, "-P", "-c", HOLD, word]
        environment = os.environ | {"PYTHONPATH": str(identity.PACKAGE.parent)}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        processes.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


def test_by_force_one_that_hangs_is_killed(settings, holding):
    hanging = holding("gpt_notebook.model_kernel")
    assert not launcher.stop(settings)
    assert hanging.poll() is None
    assert launcher.stop(settings, force=True)
    assert hanging.wait(10) == -signal.SIGKILL


def test_a_process_that_is_no_model_kernel_is_never_killed(settings, holding):
    other = holding("something else")
    with pytest.raises(ModelKernelError, match=r"lsof .*server\.lock"):
        launcher.stop(settings, force=True)
    assert other.poll() is None


def test_without_torch_it_says_what_to_install(settings, monkeypatch):
    monkeypatch.setattr(model_process, "NEEDED", ("torch", "no_such_package_anywhere"))
    with pytest.raises(ModelKernelStartFailed, match=r"no_such_package_anywhere.*pip install 'gpt-notebook\[local\]'"):
        launcher.ensure(settings)


def test_no_place_for_the_socket(settings, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeDirectoryError, match="GPT_NOTEBOOK_RUNTIME_DIR"):
        launcher.ensure(dataclasses.replace(settings, runtime_dir=tmp_path / "file"))


def test_a_url_is_used_and_nothing_is_started(settings, started):
    kernel = FakeModelKernel()
    kernel.status = dataclasses.replace(kernel.status, source_hash="of another machine", prefix="/elsewhere")
    remote = dataclasses.replace(settings, url=kernel.address, token=TOKEN)
    assert launcher.ensure(remote).address == kernel.address
    kernel.status = dataclasses.replace(kernel.status, protocol=99)
    with pytest.raises(ModelKernelMismatch, match="install the same version"):
        launcher.ensure(remote)
    kernel.close()
    with pytest.raises(ModelKernelNotRunning):
        launcher.ensure(remote)
    assert started == []


def test_stop_returns_when_it_is_gone(settings, started):
    launcher.ensure(settings)
    assert launcher.stop(settings)
    assert launcher.running(settings) is None


def test_a_busy_one_stops_only_by_force(settings, model_kernel):
    model_kernel.busy = True
    with pytest.raises(ModelKernelBusy):
        launcher.stop(settings)
    assert launcher.stop(settings, force=True)
