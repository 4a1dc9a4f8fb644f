"""Where a panel reads of a job: in its directory where that is on this machine, else it asks the model kernel.

The directory is there whatever becomes of the model kernel, and reading on in a file costs next to nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from gpt_notebook.errors import GptNotebookError, JobNotFound
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.fine_tuning.present import Present
from gpt_notebook.job_events import JobEvent, Recorded
from gpt_notebook.job_files import lock
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Reader
from gpt_notebook.job_protocol import JobInfo
from gpt_notebook.session import session


class Reading(Protocol):
    """What tells of a job; neither method starts a model kernel."""

    look_seconds: float
    """How often it is worth a look."""

    def events(self) -> Iterator[JobEvent]:
        """Give the events that are new."""

    def info(self, present: Present, known: JobInfo) -> JobInfo:
        """Return the job as it is now.

        Args:
            present: How far it is by its events.
            known: How it was.
        """


class DirectoryReading:
    """Reads a job's own files."""

    look_seconds = 0.2

    def __init__(self, directory: JobDirectory, *, after: int) -> None:
        """Begin behind the event of a number."""
        self._directory = directory
        self._path = str(directory.events)
        self._reader = Reader(directory.events, after=after)
        self._size = -1

    def events(self) -> Iterator[JobEvent]:
        """Give the events that are new; a look is the length of a file.

        Raises:
            JobNotFound: the directory has been renamed or deleted.
        """
        try:
            size = os.stat(self._path).st_size  # noqa: PTH116 - five times a second, and a Path takes longer
        except OSError:
            size = 0
            self._directory.spec()
        if size != self._size:
            yield from self._reader.read()
            self._size = size

    def info(self, present: Present, known: JobInfo) -> JobInfo:
        """Return the job as it is now.

        Raises:
            JobNotFound: the directory has been renamed or deleted.
        """
        spec = self._directory.spec()
        if spec.id != known.id:
            message = f"the job {known.name} is there no more"
            raise JobNotFound(message)
        return present.info(self._directory, spec, running=lock.holder(self._directory) is not None)


class AskedReading:
    """Asks the model kernel, for a job whose files are on its machine."""

    look_seconds = 0.5

    def __init__(self, job: str, *, name: str, after: int) -> None:
        """Begin behind the event of a number."""
        self._job, self._name, self._number = job, name, after

    def events(self) -> Iterator[JobEvent]:
        """Give the events that are new."""
        for event in job_records.recorded(self._job, name=self._name, after=self._number):
            if isinstance(event, Recorded):
                self._number = event.number
                yield event

    def info(self, present: Present, known: JobInfo) -> JobInfo:
        """Return the job as it is now."""
        del present
        return job_records.latest(known)


def reading_of(known: JobInfo, *, after: int) -> Reading:
    """Return what tells of a job from behind an event on: its directory, also under another name, or the model kernel."""
    place = JobDirectory(Path(known.directory))
    with contextlib.suppress(GptNotebookError):
        if place.spec().id == known.id:
            return DirectoryReading(place, after=after)
    with contextlib.suppress(JobNotFound):
        if session.settings.url is None:
            return DirectoryReading(job_records.directory(known.id, name=known.name), after=after)
    return AskedReading(known.id, name=known.name, after=after)
