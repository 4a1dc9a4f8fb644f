"""Under which name others find what a job makes.

    HOME/adapters/NAME -> ../jobs/NAME                      of LoRA: all steps that are there, as adapter_places reads them
    HOME/models/NAME   -> ../jobs/NAME/checkpoints/STEP     of full training: the newest that was acknowledged

Relative links, so that a home can be moved.
"""

from __future__ import annotations

import os
from pathlib import Path

from gpt_notebook import adapter_places
from gpt_notebook.errors import ModelNotFound
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.disk import TEMPORARY, Disk
from gpt_notebook.job_protocol import Method


def publish(directory: JobDirectory, method: Method, step: int) -> Path:
    """Let the result be found, after the checkpoint of a step was acknowledged; returns the link.

    Raises:
        FileExistsError: something that this job has not made has its name.
    """
    link, target = _link(directory, method), Path("..", "jobs", directory.name)
    if method == "full":
        target = target / "checkpoints" / str(step)
    if os.path.lexists(link) and not _leads_to(link, directory):
        message = f"{link} is something else: rename or delete it"
        raise FileExistsError(message)
    if link.is_symlink() and link.readlink() == target:
        return link
    link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = link.with_name(f"{TEMPORARY}{link.name}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    Disk().rename(temporary, link)
    Disk().sync(link.parent)
    return link


def republish(directory: JobDirectory) -> None:
    """Let the result of a job that has no process be found, where its process died before it saw to that.

    Raises:
        FileExistsError: something that this job has not made has its name.
        JobError: its job.json can't be read.
    """
    method, steps = directory.spec().request.options.method, adapter_places.steps(directory.path)
    if steps and not _link(directory, method).exists():
        publish(directory, method, steps[-1])


def withdraw(directory: JobDirectory) -> None:
    """Remove the links that lead to a job, whether or not that is still there."""
    methods: tuple[Method, ...] = ("lora", "full")
    for link in (_link(directory, method) for method in methods):
        if _leads_to(link, directory):
            link.unlink()


def checkpoint(model: str, home: Path) -> Path | None:
    """Return the directory of `NAME:STEP` or `NAME:best` of a model that a job has made; None for any other string.

    Raises:
        ModelNotFound: there is no such step; says which there are.
    """
    name, colon, wanted = model.partition(":")
    if not colon or "+" in wanted or adapter_places.NAME.fullmatch(name) is None:
        return None
    directory = JobDirectory(home / "jobs" / name)
    if not (directory.exists() and _leads_to(home / "models" / name, directory)):
        return None
    step = adapter_places.best(directory.path) if wanted == adapter_places.BEST else wanted
    there = adapter_places.steps(directory.path)
    if step is None or not (step.isascii() and step.isdigit() and int(step) in there):
        known = f"there is {', '.join(map(str, there))}" if there else "there is none"
        message = f"{name} has no checkpoint {wanted[:20]!r}: {known}; {name} alone is the newest"
        raise ModelNotFound(message)
    return directory.checkpoints / str(int(step))


def taken(home: Path, name: str) -> Path | None:
    """Return what has a name already, be it a job, an adapter or a model; None where it is free."""
    places = (home / "jobs" / name, adapter_places.directory(home) / name, home / "models" / name)
    return next((each for each in places if os.path.lexists(each) and not _is_left(each)), None)


def remove_left(home: Path) -> None:
    """Remove the links that lead to jobs of their names which are gone."""
    for place in (adapter_places.directory(home), home / "models"):
        for link in place.glob("*"):
            if _is_left(link):
                link.unlink()


def _link(directory: JobDirectory, method: Method) -> Path:
    place = adapter_places.directory(directory.home) if method == "lora" else directory.home / "models"
    return place / directory.name


def _is_left(link: Path) -> bool:
    """Whether a link is one that was made here for a job which is gone, as after half a renaming."""
    job = JobDirectory(link.parent.parent / "jobs" / link.name)
    return _leads_to(link, job) and not os.path.lexists(job.path)


def _leads_to(link: Path, directory: JobDirectory) -> bool:
    """Whether a link is one that was made here for a job."""
    return link.is_symlink() and link.readlink().parts[:3] == ("..", "jobs", directory.name)
