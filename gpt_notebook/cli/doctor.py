"""Looks for what could keep gpt_notebook from working here, and says what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gpt_notebook import identity, launcher
from gpt_notebook.display.quantities import size
from gpt_notebook.errors import GptNotebookError
from gpt_notebook.hub import hub_cache
from gpt_notebook.runtime import RuntimeDirectory
from gpt_notebook.settings import Settings

OLDEST_PYTHON = (3, 11)
NEEDED = {"torch": (2, 10), "transformers": (5, 17), "fastapi": (0, 115), "uvicorn": (0, 34), "pydantic": (2, 10)}
"""The oldest versions that the model kernel works with, as pyproject.toml has them."""

LITTLE_MEMORY = 10**9
LITTLE_DISK = 10**9
BUILD_SECONDS = 120.0


@dataclass(frozen=True)
class Finding:
    """What one check found; for a bad one the text ends with what to do."""

    good: bool
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{'✓' if self.good else '✗'} {self.subject:<18} {self.text}"


def examine() -> Iterator[Finding]:
    """Yield the findings of all checks; those of a local model kernel only where one is used."""
    yield _python()
    yield Finding(good=True, subject="gpt-notebook", text=f"{identity.__version__} in {identity.PACKAGE}")
    yield _package("ipython", (8, 18), "gpt-notebook")
    try:
        settings = Settings.from_environment()
    except GptNotebookError as error:
        yield Finding(good=False, subject="settings", text=error.message)
        return
    if settings.url is None:
        for name, oldest in NEEDED.items():
            yield _package(name, oldest, "gpt-notebook[local]")
        for check in (_accelerator, _memory, _storyteller):
            yield _checked(check)
        yield _decode_steps()
        yield _hub_cache()
        yield _runtime_directory(settings)
    yield _directory("saved models", settings.home_directory(), "GPT_NOTEBOOK_HOME")
    yield _model_kernel(settings)


def _checked(check: Callable[[], Finding]) -> Finding:
    """Return what a check finds; a library that can't even be imported is a finding, too."""
    try:
        return check()
    except ModuleNotFoundError as error:
        text = f"not known without {error.name}: run  pip install 'gpt-notebook[local]'"
        return Finding(good=False, subject=check.__name__.strip("_"), text=text)
    except (ImportError, OSError, RuntimeError) as error:
        text = f"{type(error).__name__}: {error}: run  pip install --force-reinstall 'gpt-notebook[local]'"
        return Finding(good=False, subject=check.__name__.strip("_"), text=text)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding(good=False, subject="python", text=f"{found}: install Python 3.11 or newer")
    if os.name != "posix":
        return Finding(
            good=False, subject="python", text=f"{found}: use Linux, macOS or the Windows Subsystem for Linux"
        )
    return Finding(good=True, subject="python", text=found)


def _package(name: str, oldest: tuple[int, ...], extra: str) -> Finding:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Finding(good=False, subject=name, text=f"not installed: run  pip install '{extra}'")
    numbers = tuple(int(part) for part in found.split("+")[0].split(".")[: len(oldest)] if part.isdigit())
    if numbers < oldest:
        wanted = ".".join(map(str, oldest))
        return Finding(good=False, subject=name, text=f"{found} is too old: run  pip install '{name}>={wanted}'")
    return Finding(good=True, subject=name, text=found)


def _accelerator() -> Finding:
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        return Finding(good=True, subject="accelerator", text=f"{names}; torch built for CUDA {torch.version.cuda}")
    if torch.backends.mps.is_available():
        return Finding(good=True, subject="accelerator", text="Apple GPU (mps)")
    if shutil.which("nvidia-smi"):
        text = f"there is an NVIDIA driver that torch {torch.__version__} can't use: install a CUDA build, see https://pytorch.org"
        return Finding(good=False, subject="accelerator", text=text)
    return Finding(good=True, subject="accelerator", text=f"none; {torch.get_num_threads()} CPU threads")


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    text = f"{size(memory.available)} of {size(memory.total)} free"
    if memory.available < LITTLE_MEMORY:
        return Finding(good=False, subject="memory", text=f"{text}: close other programs, or stay with small models")
    return Finding(good=True, subject="memory", text=text)


def _storyteller() -> Finding:
    files = list((identity.PACKAGE / "storyteller").rglob("*.safetensors"))
    if not files:
        return Finding(good=False, subject="storyteller", text="its weights are missing: install gpt-notebook again")
    return Finding(
        good=True, subject="storyteller", text=f"bundled, {size(sum(file.stat().st_size for file in files))}"
    )


def _decode_steps() -> Finding:
    """Have built what a model kernel would build, and does without where it can't."""
    command = [sys.executable, "-m", "gpt_notebook.model_kernel.native"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        text = f"not known ({type(error).__name__}): run  python -m gpt_notebook.model_kernel.native"
        return Finding(good=False, subject="decode steps", text=text)
    return Finding(good=True, subject="decode steps", text=found.stdout.strip())


def _hub_cache() -> Finding:
    return _directory("hub cache", hub_cache(), "HF_HOME")


def _directory(subject: str, path: Path, variable: str) -> Finding:
    """Check a directory that is made when it is needed."""
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        return Finding(good=False, subject=subject, text=f"{path} can't be written: set {variable} to another place")
    free = shutil.disk_usage(there).free
    if free < LITTLE_DISK:
        return Finding(
            good=False, subject=subject, text=f"{path} has only {size(free)} left: make room, or set {variable}"
        )
    return Finding(good=True, subject=subject, text=f"{path}, {size(free)} free")


def _runtime_directory(settings: Settings) -> Finding:
    directory = RuntimeDirectory.of(settings)
    try:
        directory.create()
        directory.token()
    except GptNotebookError as error:
        return Finding(good=False, subject="runtime directory", text=error.message)
    kind = "" if directory.socket_fits else "; its path is too long for a socket, so TCP on 127.0.0.1 is used"
    return Finding(good=True, subject="runtime directory", text=f"{directory.path}{kind}")


def _model_kernel(settings: Settings) -> Finding:
    try:
        found = launcher.running(settings)
    except GptNotebookError as error:
        return Finding(good=False, subject="model kernel", text=error.message)
    if found is None:
        return Finding(good=True, subject="model kernel", text="none is running; it starts when it is needed")
    status = found[1]
    text = f"process {status.pid} at {found[0].address}, version {status.version}"
    if reason := launcher.misfit(status, settings):
        return Finding(good=False, subject="model kernel", text=f"{text}, {reason}: run  gpt-notebook stop")
    return Finding(good=True, subject="model kernel", text=text)
