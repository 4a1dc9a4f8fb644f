"""The process itself, started as the launcher starts it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from gpt_notebook.client import Client
from gpt_notebook.errors import GptNotebookError, InvalidRequest
from gpt_notebook.model_kernel import __main__ as process
from gpt_notebook.protocol import ChatMessage, GenerateRequest, SamplingOptions, StopRequest
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import MIB, Settings
from model_kernel.tiny_models import CHAT_TEMPLATE

SECONDS = 60
REPOSITORY = str(Path(__file__).parents[2])


class Started:
    """A model kernel in a process of its own, and how to reach it."""

    def __init__(self, base, **environment):
        self.settings = Settings(runtime_dir=Path(base) / "run", home=Path(base) / "home")
        self.runtime = RuntimeDirectory.of(self.settings)
        self.environment = {
            **os.environ,
            "GPT_NOTEBOOK_RUNTIME_DIR": str(self.settings.runtime_dir),
            "GPT_NOTEBOOK_HOME": str(self.settings.home),
            "PYTHONPATH": os.pathsep.join([REPOSITORY, os.environ.get("PYTHONPATH", "")]),
            **environment,
        }
        self.child = self.start()

    def start(self):
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "gpt_notebook.model_kernel"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def client(self):
        """A client, once it answers; the start of a process sends no event, so this asks again and again."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self.child.poll() is None, self.child.stdout.read()
            with contextlib.suppress(GptNotebookError):
                if address := self.runtime.read_address():
                    client = Client(address, self.runtime.token())
                    client.status()
                    return client
            select.select([], [], [], 0.02)
        pytest.fail("it did not come up")

    def ended(self):
        """Its exit status and what it printed, once it has left by itself."""
        printed, _ = self.child.communicate(timeout=SECONDS)
        return self.child.returncode, printed.decode()

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.communicate()


@contextlib.contextmanager
def started(base=None, **environment):
    with tempfile.TemporaryDirectory(prefix="gpt-") as own:
        model_kernel = Started(base or own, **environment)
        try:
            yield model_kernel
        finally:
            model_kernel.close()


@pytest.fixture(scope="module")
def running():
    with started() as model_kernel:
        model_kernel.client()
        yield model_kernel


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def test_nobody_else_can_reach_it(running):
    assert mode(running.runtime.path) == 0o700
    assert mode(running.runtime.socket) == 0o600
    assert mode(running.runtime.path / "token") == 0o600
    assert mode(running.runtime.log) == 0o600


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_the_token_is_not_in_its_arguments_or_environment(running):
    token = running.runtime.token().encode()
    for name in ("cmdline", "environ"):
        content = Path(f"/proc/{running.child.pid}/{name}").read_bytes()
        assert content
        assert token not in content


def test_it_says_who_it_is(running):
    status = running.client().status()
    assert status.pid == running.child.pid
    assert status.prefix == sys.prefix
    assert status.address == f"unix:{running.runtime.socket}"
    assert running.runtime.read_pid() == running.child.pid


def test_a_second_one_leaves_quietly_and_the_first_goes_on(running):
    second = running.start()
    printed, _ = second.communicate(timeout=SECONDS)
    assert (second.returncode, printed) == (0, b"")
    assert running.client().status().pid == running.child.pid


def test_it_generates_and_its_log_holds_nothing_of_it(running, tiny):
    secret = "my secret plan"
    model = tiny("llama", chat_template=CHAT_TEMPLATE)
    options = SamplingOptions(max_new_tokens=3)
    for request in (
        GenerateRequest(model=tiny(), prompt=secret, options=options),
        GenerateRequest(model=model, messages=(ChatMessage(role="user", content=secret),), options=options),
    ):
        assert list(running.client().generate(request))[-1].type == "done"
    with pytest.raises(GptNotebookError):
        list(running.client().generate(GenerateRequest(model="/nowhere", prompt=secret)))
    log = running.runtime.log.read_text()
    assert "serving on" in log
    assert secret not in log
    assert running.runtime.token() not in log
    assert all(" gpt_notebook" in line for line in log.splitlines()), log


def test_one_that_was_killed_is_replaced_and_sigterm_ends_one_in_order():
    with tempfile.TemporaryDirectory(prefix="gpt-") as base:
        with started(base) as first:
            first.client()
            first.child.kill()
            first.child.wait()
            assert first.runtime.socket.exists()
        with started(base) as second:
            assert second.client().status().pid == second.child.pid
            second.child.send_signal(signal.SIGTERM)
            assert second.ended() == (0, "")
            assert not second.runtime.socket.exists()
            assert "left" in second.runtime.log.read_text()


def test_it_leaves_when_nobody_has_needed_it_for_long():
    with started(GPT_NOTEBOOK_IDLE_TIMEOUT="0.5") as model_kernel:
        assert model_kernel.ended() == (0, "")
        assert "idle for" in model_kernel.runtime.log.read_text()


def test_it_leaves_when_its_directory_is_deleted():
    with started() as model_kernel:
        model_kernel.client()
        shutil.rmtree(model_kernel.runtime.path)
        assert model_kernel.ended() == (0, "")


@pytest.mark.parametrize("name", ["token", "model-kernel.sock"])
def test_it_leaves_when_what_leads_to_it_is_deleted(name):
    with started() as model_kernel:
        model_kernel.client()
        (model_kernel.runtime.path / name).unlink()
        assert model_kernel.ended() == (0, "")
        assert "nobody can find it" in model_kernel.runtime.log.read_text()


def test_a_path_too_long_for_a_socket_makes_it_tcp_on_this_machine_until_it_is_stopped(tmp_path):
    with started(tmp_path / ("long" * 30)) as model_kernel:
        client = model_kernel.client()
        assert client.address.startswith("http://127.0.0.1:")
        assert client.status().address == client.address
        assert list(client.generate(GenerateRequest(prompt="Once")))[-1].type == "done"
        client.stop(StopRequest())
        assert model_kernel.ended() == (0, "")


def test_its_log_is_turned_over(tmp_path, monkeypatch):
    import logging

    path = tmp_path / "model-kernel.log"
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    monkeypatch.setattr(root, "handlers", [])
    process._log_to(path)
    try:
        for _ in range(5):
            logging.getLogger("gpt_notebook").info("x" * (MIB // 2))
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers = before
        root.setLevel(level)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "model-kernel.log",
        "model-kernel.log.1",
        "model-kernel.log.2",
    ]
    assert all(file.stat().st_size <= MIB and mode(file) == 0o600 for file in tmp_path.iterdir())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gpu-machine"])  # noqa: S104 - it is refused
def test_other_machines_are_served_only_with_tls_or_on_demand(host, settings):
    with pytest.raises(InvalidRequest, match=r"--certfile and --keyfile.*--insecure"):
        process.serve(settings, host=host, port=0)


def test_serving_over_tcp_tells_where_and_keeps_the_token_to_itself():
    with tempfile.TemporaryDirectory(prefix="gpt-") as base:
        code = (
            "from gpt_notebook.model_kernel.__main__ import serve\n"
            "from gpt_notebook.settings import Settings\n"
            "serve(Settings.from_environment(), port=0)\n"
        )
        environment = {
            **os.environ,
            "GPT_NOTEBOOK_RUNTIME_DIR": f"{base}/run",
            "GPT_NOTEBOOK_HOME": f"{base}/home",
            "GPT_NOTEBOOK_TOKEN": "mine",
            "PYTHONPATH": REPOSITORY,
        }
        with subprocess.Popen(
            [sys.executable, "-P", "-c", code], env=environment, stderr=subprocess.PIPE, text=True
        ) as child:
            try:
                watchdog = threading.Timer(SECONDS, child.kill)
                watchdog.start()
                line = child.stderr.readline()
                watchdog.cancel()
                address = line.split()[2]
                assert line.startswith("serving on http://127.0.0.1:")
                assert "mine" not in line
                assert Client(address, "mine").status().state == "ready"
                with pytest.raises(GptNotebookError):
                    Client(address, "yours").status()
            finally:
                child.terminate()


def test_a_status_is_json_that_other_programs_can_read(running):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.connect(str(running.runtime.socket))
        head = f"GET /health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.runtime.token()}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        with connection.makefile("rb") as file:
            body = file.read().partition(b"\r\n\r\n")[2]
    assert json.loads(body)["state"] == "ready"
