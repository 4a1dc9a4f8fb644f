"""The model kernel as a process: how it is started, what it said when it did not come up, how one that hangs is ended.

It gets a process session, an output file and an environment of its own; no secret is in its arguments or environment.
Knows nothing of what it answers; launcher.py asks that.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path

from gpt_notebook import identity
from gpt_notebook.errors import ModelKernelError, ModelKernelStartFailed, RuntimeDirectoryError
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import ENVIRONMENT_PREFIX, HUB_TOKENS, Settings

NEEDED = ("torch", "transformers", "fastapi", "uvicorn", "pydantic")

KEPT_TO_OURSELVES = ("GPT_NOTEBOOK_TOKEN", "GPT_NOTEBOOK_URL", *HUB_TOKENS)
"""What is this process's own; the hub's token travels with each request that needs it."""

MAX_OUTPUT = 256 * 1024

STARTED_AS = ("gpt_notebook.model_kernel", "gpt-notebook serve", "gpt_notebook serve")
"""What the command line of a model kernel holds."""
END_SECONDS = 3.0
"""How long one that hangs has to end in order, and then to be gone."""


@dataclass(frozen=True)
class ModelProcess:
    """A model kernel that this process has started."""

    process: subprocess.Popen[bytes]
    output: Path
    offset: int
    """Where in the output file what it says begins."""

    @classmethod
    def start(cls, directory: RuntimeDirectory, settings: Settings) -> ModelProcess:
        """Start one; does not wait for it.

        Raises:
            ModelKernelStartFailed: what it needs is not installed.
            RuntimeDirectoryError: its output can't be written.
        """
        check_installed()
        directory.check_room()
        output = directory.path / "model-kernel.out"
        try:
            if output.exists() and output.stat().st_size > MAX_OUTPUT:
                output.unlink()
            with output.open("ab") as file:
                started = cls(
                    process=subprocess.Popen(
                        command(),
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=file,
                        cwd="/",
                        env=environment(settings),
                        start_new_session=True,
                    ),
                    output=output,
                    offset=file.tell(),
                )
        except OSError as error:
            message = (
                f"cannot start a model kernel ({error}): make room, or set GPT_NOTEBOOK_RUNTIME_DIR to another place"
            )
            raise RuntimeDirectoryError(message) from error
        # It outlives many calls but is this process's child: somebody has to be there when it ends, or it stays a zombie.
        threading.Thread(target=started.process.wait, name="gpt_notebook model kernel", daemon=True).start()
        return started

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self.process.poll()

    def failure(self, settings: Settings) -> ModelKernelStartFailed:
        """Return why it did not come up; one that still tries is ended."""
        if self.poll() is None:
            self.process.terminate()
            message = (
                f"the model kernel did not answer within {settings.start_timeout:g} s ({self._last_line()}): "
                f"see {self.output}, or raise GPT_NOTEBOOK_START_TIMEOUT"
            )
        else:
            message = (
                f"the model kernel did not start: {self._ending()} "
                f"(all of it: {self.output}; gpt-notebook doctor looks for the cause)"
            )
        return ModelKernelStartFailed(message)

    def _ending(self) -> str:
        if self.poll() == -signal.SIGKILL:
            return f"it was killed (signal {signal.SIGKILL:d}): out of memory?"
        return self._last_line()

    def _last_line(self) -> str:
        with self.output.open("rb") as file:
            file.seek(self.offset)
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else f"it said nothing; exit code {self.poll()}"


def command() -> list[str]:
    """Return what starts a model kernel; -P keeps the working directory out of its imports."""
    return [sys.executable, "-P", "-m", "gpt_notebook.model_kernel"]


def environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment with the settings in it and the secrets out of it."""
    values = {ENVIRONMENT_PREFIX + each.name.upper(): getattr(settings, each.name) for each in fields(settings)}
    result = {name: value for name, value in os.environ.items() if name not in values}
    result |= {name: str(value) for name, value in values.items() if value is not None}
    home = identity.PACKAGE.parent
    if home.name not in ("site-packages", "dist-packages"):
        # A checkout that this process found by its working directory: its model kernel must find it too.
        result["PYTHONPATH"] = os.pathsep.join(filter(None, [str(home), os.environ.get("PYTHONPATH")]))
    return {name: value for name, value in result.items() if name not in KEPT_TO_OURSELVES}


def check_installed() -> None:
    """Refuse where what a model kernel needs is missing.

    Raises:
        ModelKernelStartFailed: names it.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        message = (
            f"no model kernel can run here, {', '.join(missing)} not being installed: run  pip install 'gpt-notebook[local]'  "
            "or use one elsewhere with  %gpt connect URL"
        )
        raise ModelKernelStartFailed(message)


def end(directory: RuntimeDirectory) -> bool:
    """End the process that holds the server lock and doesn't answer, in order if it can; False when nobody holds it.

    Raises:
        ModelKernelError: it holds the lock still, or is not known to be a model kernel of this user.
    """
    with directory.lock("server", wait=0) as free:
        if free:
            return False
    lock = directory.path / "server.lock"
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = directory.read_pid()
        if pid is None or not _is_model_kernel(pid):
            message = f"what holds {lock} is no model kernel that can be ended from here: find it with  lsof '{lock}'"
            raise ModelKernelError(message)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        with directory.lock("server", wait=END_SECONDS) as free:
            if free:
                return True
    message = f"the model kernel (process {pid}) was killed and still holds {lock}: the operating system may be waiting for a device"
    raise ModelKernelError(message)


def _is_model_kernel(pid: int) -> bool:
    """Whether that process is this user's and was started as a model kernel."""
    process = Path("/proc") / str(pid)
    try:
        if process.parent.joinpath("self").exists():
            owner, line = process.stat().st_uid, process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode()
        else:
            shown = subprocess.run(
                ["/bin/ps", "-o", "uid=,command=", "-p", str(pid)], capture_output=True, text=True, check=True
            )
            number, line = shown.stdout.split(maxsplit=1)
            owner = int(number)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return False
    return owner == os.getuid() and any(each in line for each in STARTED_AS)
