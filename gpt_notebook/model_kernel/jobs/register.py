"""What is known of all jobs: read from their directories once, and then only what is new in them."""

from __future__ import annotations

import contextlib
import difflib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from gpt_notebook.errors import InvalidRequest, JobError, JobNotFound
from gpt_notebook.job_events import StateChanged
from gpt_notebook.job_files import commands, lock
from gpt_notebook.job_files.commands import Command
from gpt_notebook.job_files.directory import JobDirectory, JobSpec, directory_of, jobs_in
from gpt_notebook.job_files.disk import opened
from gpt_notebook.job_files.job_progress import Progress
from gpt_notebook.job_files.journal import Reader
from gpt_notebook.job_files.lock import Holder
from gpt_notebook.job_protocol import ENDED, JobInfo, JobState
from gpt_notebook.protocol import RunningJob

logger = logging.getLogger(__name__)

Stamp = tuple[int, ...]


@dataclass(eq=False)
class Job:
    """What is known of one."""

    directory: JobDirectory
    spec: JobSpec
    reader: Reader
    progress: Progress = field(default_factory=Progress)
    state_event: StateChanged | None = None
    """The last one."""
    holder: Holder | None = None
    """Who holds its lock: its process, if anybody."""
    commands: list[Command] = field(default_factory=list)
    """Those that nobody has answered yet."""
    stamps: tuple[Stamp, ...] = ()
    """Of the files that were read."""
    told: tuple[tuple[object, ...], JobInfo] | None = None
    """What was told of it last, and by what that was made."""

    @property
    def state(self) -> JobState:
        """The state that was recorded last, whether or not its process still lives."""
        return "queued" if self.state_event is None else self.state_event.state

    @property
    def state_number(self) -> int:
        """The number of the event by which it is in its state."""
        return 0 if self.state_event is None else self.state_event.number

    @property
    def active(self) -> bool:
        """Whether it runs, begins or waits for its turn."""
        return self.state in ("running", "queued")

    @property
    def waits(self) -> bool:
        """Whether it waits for its turn."""
        return self.state == "queued" and self.holder is None

    @property
    def ended(self) -> bool:
        """Whether it has come to an end."""
        return self.state in ENDED

    @property
    def queued_since(self) -> tuple[float, str]:
        """What decides whose turn it is."""
        return (self.spec.created if self.state_event is None else self.state_event.time, self.spec.name)

    def asked(self, *names: str) -> Command | None:
        """Return the last command of these names that nobody has answered."""
        return next((each for each in reversed(self.commands) if each.command in names), None)


class Register:
    """The jobs below a home; may be asked from any thread."""

    def __init__(self, home: Path) -> None:
        """Know nothing yet."""
        self._home = home
        self._lock = threading.Lock()
        self._jobs: dict[Path, Job] = {}
        self._damaged: dict[Path, str] = {}
        """What was said of those that can't be read."""

    def look(self) -> list[Job]:
        """Return all jobs as they are now; one that can't be read is left out."""
        with self._lock:
            found: dict[Path, Job] = {}
            for directory in jobs_in(self._home):
                with self._left_out(directory):
                    found[directory.path] = self._read(directory)
            self._jobs = found
            return list(found.values())

    @contextlib.contextmanager
    def _left_out(self, directory: JobDirectory) -> Iterator[None]:
        """Go on without a job that can't be read, and say so once."""
        try:
            yield
        except JobNotFound:
            pass  # It has just been deleted.
        except JobError as error:
            if self._damaged.get(directory.path) != str(error):
                self._damaged[directory.path] = str(error)
                logger.warning("a job is left out: %s", error)

    def find(self, name: str) -> Job:
        """Return the job of a name, or of an id.

        Raises:
            JobNotFound: there is none; says which was meant, or which there are.
            JobError: it can't be read.
        """
        directory = directory_named(self._home, name)
        if directory is not None and directory.exists():
            with self._lock:
                return self._read(directory)
        jobs = self.look()
        if (same := next((job for job in jobs if job.spec.id == name), None)) is not None:
            return same
        message = f"there is no job {name[:80]!r}: {_what_there_is(name, [job.spec.name for job in jobs])}"
        raise JobNotFound(message)

    def _read(self, directory: JobDirectory) -> Job:
        """Return a job, with what has come since it was read last.

        Raises:
            JobNotFound: there is none.
            JobError: it can't be read.
        """
        known = self._jobs.pop(directory.path, None)
        with _blamed(directory):
            # What can't be read begins from nothing the next time.
            job = self._jobs[directory.path] = self._renewed(known, directory)
        return job

    def _renewed(self, job: Job | None, directory: JobDirectory) -> Job:
        stamps = tuple(_stamp(path) for path in (directory.spec_file, directory.events, directory.control))
        if job is None or job.stamps[0] != stamps[0]:
            spec = directory.spec()
            if job is not None and job.spec.id == spec.id:
                job.spec = spec
                job.told = None
            else:
                job = Job(directory, spec, Reader(directory.events))
        if job.stamps[1:] != stamps[1:]:
            with contextlib.suppress(FileNotFoundError):
                # Else a job that has done much would seem to be new.
                opened(directory.events).close()
            for event in job.reader.read():
                job.progress.add(event)
                if isinstance(event, StateChanged):
                    job.state_event = event
            job.commands = commands.read(directory, after=job.progress.last_command)
        job.stamps = stamps
        job.holder = lock.holder(directory)
        return job

    # --- what is told of them ---------------------------------------------------------------------------------------

    def infos(self) -> list[JobInfo]:
        """Return what people want to know of all jobs, the newest first."""
        jobs = self.look()
        places = in_order(jobs)
        infos = []
        for job in jobs:
            with self._left_out(job.directory):
                infos.append(self._info(job, places))
        return sorted(infos, key=lambda info: (-info.created, info.name))

    def info(self, name: str) -> JobInfo:
        """Return what people want to know of one job.

        Raises:
            JobNotFound: there is none.
            JobError: it can't be read.
        """
        job = self.find(name)
        return self._info(job, in_order(self.look()) if job.state == "queued" else [])

    def _info(self, job: Job, places: list[Job]) -> JobInfo:
        with self._lock, _blamed(job.directory):
            made_of = (job.progress.number, job.holder, _stamp(job.directory.checkpoints), job.spec)
            if job.told is None or job.told[0] != made_of:
                running = job.holder is not None and job.active
                info = job.progress.info(job.directory, job.spec, running=running)
                job.told = (made_of, info)
            info = job.told[1]
        names = [each.spec.id for each in places]
        return replace(info, position=names.index(job.spec.id)) if job.waits and job.spec.id in names else info


def in_order(jobs: list[Job]) -> list[Job]:
    """Return the jobs that processes have, and then those that wait for their turn, the next one first."""
    return [*(job for job in jobs if job.active and job.holder is not None), *queue(jobs)]


def queue(jobs: list[Job]) -> list[Job]:
    """Return the jobs that wait for their turn, the next one first."""
    return sorted((job for job in jobs if job.waits), key=lambda job: job.queued_since)


def in_short(jobs: list[Job]) -> tuple[RunningJob, ...]:
    """Return the jobs that run and then those that wait, as the status of a model kernel has them."""
    return tuple(
        RunningJob(
            name=job.spec.name,
            state="running" if job.state == "running" else "queued",
            step=job.progress.step,
            max_steps=job.progress.max_steps,
            position=place if job.waits else None,
        )
        for place, job in enumerate(in_order(jobs))
    )


def directory_named(home: Path, name: str) -> JobDirectory | None:
    """Return the directory of a name; None for what is no name."""
    try:
        return directory_of(home, name)
    except InvalidRequest:
        return None


@contextlib.contextmanager
def _blamed(directory: JobDirectory) -> Iterator[None]:
    """Say of which job it is that something in it can't be read.

    Raises:
        JobError: says what is wrong.
    """
    try:
        yield
    except JobError:
        raise
    except Exception as error:
        # Anybody may have written anything into it.
        message = f"the job {directory.name!r} cannot be read ({str(error)[:200]}): repair or remove {directory.path}"
        raise JobError(message) from error


def _what_there_is(name: str, names: list[str]) -> str:
    if near := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {near[0]}?"
    return f"there is {', '.join(sorted(names)[:10])}" if names else "there is none"


def _stamp(path: Path) -> Stamp:
    """Return what changes when a file is written or replaced."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_mtime_ns, found.st_size)
