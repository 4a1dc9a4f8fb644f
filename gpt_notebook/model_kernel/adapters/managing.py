"""Adapters, and the models that jobs have made, as files: given another name, or deleted whole or by the step.

One that a job has made is that job: its name is the job's, and it is deleted with it. Whoever changes a job here holds its
lock, so that no process trains it meanwhile. What of all this is loaded is no business of this module, which knows nothing
of torch; what was read stays what it is, whatever happens to its files.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gpt_notebook import adapter_places
from gpt_notebook.adapter_places import NAME
from gpt_notebook.errors import GptNotebookError, InvalidRequest, JobInUse, ModelNotFound
from gpt_notebook.job_events import CheckpointPruned
from gpt_notebook.job_files import job_progress, lock, publishing
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import JobDirectory, directory_of, jobs_in
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import ENDED, JobInfo, JobState
from gpt_notebook.next_action import NextAction

LEAVING = ".del-"
"""How the name of a directory begins that is being deleted."""
LEAVING_SECONDS = 10.0
"""How long a job's process may take to leave after its end."""


@dataclass(frozen=True)
class Managed:
    """Something that has a name here."""

    name: str
    place: Path
    """The directory of the adapter, or what leads there."""
    job: JobDirectory | None
    """The job that made it; None for what was saved here in another way."""
    adapter: bool
    """Whether it is an adapter, and not a model."""

    @property
    def files(self) -> Path:
        """The directory in which all of its weights are."""
        return (self.place if self.job is None else self.job.path).resolve()


def find(home: Path, name: str) -> Managed:
    """Return the adapter, or the model that a job has made, of a name.

    Raises:
        ModelNotFound: there is none; says what there is.
    """
    place, job = adapter_places.directory(home) / name, None
    if NAME.fullmatch(name):
        job = directory_of(home, name)
        model = home / "models" / name
        for link in (place, model):
            if job.exists() and link.is_symlink() and link.resolve().is_relative_to(job.path.resolve()):
                return Managed(name, link, job, adapter=link == place)
        if place.is_dir():
            return Managed(name, place, None, adapter=True)
        if model.is_dir():
            message = f"{name} is a model that was saved, and no adapter: move or remove its directory {model}"
            raise ModelNotFound(message)
    adapter_places.locate(name, home)  # says what there is
    message = f"{name[:80]} is no name of an adapter: what is known by its path is yours to move or remove"
    raise ModelNotFound(message)


def rename(home: Path, name: str, new_name: str) -> None:
    """Give an adapter, and the job that made it, another name.

    Raises:
        ModelNotFound: there is none of that name.
        InvalidRequest: the new name is taken.
        JobInUse: the job that made it runs or is queued, or another one goes on from it.
    """
    found = find(home, name)
    if publishing.taken(home, new_name) is not None:
        message = f"the name {new_name!r} is taken already: choose another, or delete what has it"
        raise InvalidRequest(message, param="new_name")
    with _on_disk(name):
        if found.job is None:
            found.place.rename(found.place.with_name(new_name))
            return
        with _held(found.job, "renamed"):
            check_needed(home, found.job)
            _rename_job(found.job, new_name)


def _rename_job(job: JobDirectory, new_name: str) -> None:
    """Give a job, whose lock is held, another name; at any moment one of the two leads to it, and on an error the old one."""
    method, newest = job.spec().request.options.method, Checkpoints(job).steps()[-1]
    renamed = JobDirectory(job.path.with_name(new_name))
    try:
        publishing.publish(renamed, method, newest)
        job.rename(new_name)
    except BaseException:
        publishing.withdraw(renamed)
        raise
    publishing.withdraw(job)


def delete(home: Path, name: str, step: int | None = None) -> None:
    """Delete an adapter with the job that made it, or one of its steps.

    Raises:
        ModelNotFound: there is none of that name, or not that step.
        InvalidRequest: it is the only step, or the one that a model is.
        JobInUse: the job that made it runs or is queued, or would go on from the step; or another job goes on from it.
    """
    found = find(home, name)
    with _on_disk(name):
        if found.job is None:
            _delete_files(found, step)
            sweep(home)
            return
        with _held(found.job, "deleted") as state:
            if step is not None:
                _delete_step(found, found.job, step, state)
                return
            take_out(found.job)
        sweep(home)


def take_out(job: JobDirectory) -> None:
    """Let a job, whose lock is held, be gone at once with what it has made; `sweep` then deletes its files.

    Raises:
        JobInUse: another job goes on from what it has made.
    """
    check_needed(job.home, job)
    publishing.withdraw(job)
    put_aside(job.path)


def sweep(home: Path) -> None:
    """Remove what was put aside to be deleted, also by a process that has died meanwhile."""
    places = [adapter_places.directory(home), home / "jobs"]
    for left in (each for place in places for each in place.glob(f"{LEAVING}*")):
        shutil.rmtree(left, ignore_errors=True)


def mend(home: Path) -> None:
    """Let names lead to what jobs have made again, and to nothing else, whatever a process that died was about to do."""
    publishing.remove_left(home)
    for job in jobs_in(home):
        # One that cannot be published now may be another time: what has its name may go.
        with contextlib.suppress(GptNotebookError, OSError):
            if lock.holder(job) is None:
                publishing.republish(job)


def put_aside(path: Path) -> Path:
    """Rename a directory to what nobody looks for, so that it goes all at once, and return its new path."""
    aside = path.with_name(f"{LEAVING}{path.name}-{secrets.token_hex(4)}")
    path.rename(aside)
    return aside


def check_needed(home: Path, job: JobDirectory) -> None:
    """Refuse what another job still needs, whose paths lead here."""
    files = job.path.resolve()
    for other in jobs_in(home):
        if other.name == job.name:
            continue
        try:
            spec, state = other.spec(), job_progress.progress(other).state
        except GptNotebookError:  # A damaged one goes on from nothing.
            continue
        bases = [Path(each).resolve() for each in (spec.source, spec.adapter) if each]
        if state not in ENDED and any(base.is_relative_to(files) for base in bases):
            message = (
                f"the job {other.name} goes on from {job.name}, and is {state}: wait until it has ended, or stop it"
            )
            raise JobInUse(message)


# --- what no job has made -------------------------------------------------------------------------------------------


def _delete_files(found: Managed, step: int | None) -> None:
    if step is None:
        if found.place.is_symlink():  # Somebody's own link: what it leads to stays.
            found.place.unlink()
            return
        put_aside(found.place)
        return
    _check_step(found, step, adapter_places.steps(found.place))
    leaving = put_aside(found.place / "checkpoints" / str(step))
    if adapter_places.best(found.place) == str(step):
        (found.place / adapter_places.BEST).unlink()
    shutil.rmtree(leaving, ignore_errors=True)


# --- jobs -----------------------------------------------------------------------------------------------------------


def _delete_step(found: Managed, job: JobDirectory, step: int, state: JobState) -> None:
    _check_step(found, step, Checkpoints(job).steps())
    if state not in ENDED:
        message = f"{found.name} is {state} and may go on from its step {step}: stop it first"
        raise JobInUse(message, next_action=NextAction("stop", found.name))
    if not found.adapter and found.place.resolve().name == str(step):
        message = f"step {step} is what the model {found.name} is now: delete the model itself"
        raise InvalidRequest(message, param="step")
    was_best = job.best_step() == step
    Checkpoints(job).forget(step)
    with Journal(job.events) as journal:
        journal.write(CheckpointPruned, step=step, gone=True)
    if was_best:
        job.write_best(_best_of(job_progress.info(job, running=False)))


def _check_step(found: Managed, step: int, there: list[int]) -> None:
    """Refuse a step that isn't there, and the only one."""
    if step not in there:
        steps = f"there is {', '.join(map(str, there))}" if there else "it has no steps"
        message = f"{found.name} has no step {step}: {steps}"
        raise ModelNotFound(message)
    if len(there) == 1 and not adapter_places.holds(str(found.place), adapter_places.CONFIG):
        message = f"{step} is the only step of {found.name}: delete {found.name} itself"
        raise InvalidRequest(message, param="step")


def _best_of(info: JobInfo) -> int | None:
    """Return which of a job's checkpoints has the lowest loss; None where none was measured."""
    losses = [(each.loss, each.step) for each in info.checkpoints if each.loss is not None]
    return min(losses)[1] if losses else None


@contextlib.contextmanager
def _held(job: JobDirectory, what: str) -> Iterator[JobState]:
    """Hold a job's lock, and give its state.

    Raises:
        JobInUse: it runs, or is about to.
    """
    # A process that has said its last word may not be gone yet.
    patience = LEAVING_SECONDS if job_progress.progress(job).state != "running" else 0.0
    with lock.hold(job, wait=patience) as held:
        state = job_progress.info(job, running=False).state if held else "running"
        if not held or state == "queued":
            message = f"{job.name} is {state} and can't be {what} now: wait until it has ended, or stop it"
            raise JobInUse(message, next_action=NextAction("stop", job.name))
        yield state


@contextlib.contextmanager
def _on_disk(name: str) -> Iterator[None]:
    """Say in one line what the operating system refuses."""
    try:
        yield
    except OSError as error:
        message = f"{name} cannot be changed on disk ({error.strerror or error}): see who owns {error.filename or 'it'}"
        raise GptNotebookError(message) from error
