"""The model kernel as a process: how it is started, and what it said when it did not come up.

It gets a process session, an output file and an environment of its own; no secret is in its arguments or environment.
Knows nothing of what it answers; launcher.py asks that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path

from gpt_notebook import identity
from gpt_notebook.errors import ModelKernelStartFailed, RuntimeDirectoryError
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import ENVIRONMENT_PREFIX, Settings

NEEDED = ("torch", "transformers", "fastapi", "uvicorn", "pydantic")

KEPT_TO_OURSELVES = ("GPT_NOTEBOOK_TOKEN", "GPT_NOTEBOOK_URL", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""What is this process's own; the hub's token travels with each request that needs it."""

MAX_OUTPUT = 256 * 1024


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
                f"the model kernel did not start: {self._last_line()} "
                f"(all of it: {self.output}; gpt-notebook doctor looks for the cause)"
            )
        return ModelKernelStartFailed(message)

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
