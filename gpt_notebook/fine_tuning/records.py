"""What is known of jobs: asked of the model kernel where one runs, else read from the jobs' own directories.

Looking at a job starts no process. Following one finds the model kernel again when it has died, or starts another, and
goes on behind the last event that came: each comes once, whatever happens in between.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Iterator
from typing import NamedTuple

from gpt_notebook import launcher
from gpt_notebook.cancellation import check_cancelled
from gpt_notebook.errors import GptNotebookError, JobNotFound
from gpt_notebook.job_events import JobEvent, Recorded
from gpt_notebook.job_files import job_progress, journal, lock
from gpt_notebook.job_files.directory import JobDirectory, directory_of, jobs_in
from gpt_notebook.job_protocol import EventsRequest, JobInfo, JobState
from gpt_notebook.next_action import NextAction
from gpt_notebook.protocol import Done, Progress
from gpt_notebook.session import session
from gpt_notebook.suggestions import nearest
from gpt_notebook.visible_text import shortened

ATTEMPTS = 20
"""How often a model kernel that is gone is looked for, in vain, before following ends with an error."""
RETRY_SECONDS = 0.5


class Listed(NamedTuple):
    """A job in a list of those there are."""

    id: str
    name: str
    model: str
    state: JobState
    created: float


def infos() -> list[JobInfo]:
    """Return the jobs there are, the newest first; starts no model kernel."""
    found = launcher.running(session.settings)
    if found is not None:
        return found[0].jobs()
    read = [info for each in jobs_in(session.settings.home_directory()) if (info := _info(each))]
    return sorted(read, key=lambda info: (-info.created, info.name))


def listed() -> list[Listed]:
    """Return which jobs there are, the newest first: of long ones far sooner than all that is known of them."""
    found = launcher.running(session.settings)
    if found is not None:
        return [Listed(each.id, each.name, each.model, each.state, each.created) for each in found[0].jobs()]
    read = [each for place in jobs_in(session.settings.home_directory()) if (each := _listed(place))]
    return sorted(read, key=lambda each: (-each.created, each.name))


def find(job: str) -> JobInfo:
    """Return the job of an id or a name.

    Raises:
        JobNotFound: there is none; says which was meant, or which there are.
    """
    known = listed()
    for each in (*(each for each in known if each.id == job), *(each for each in known if each.name == job)):
        return latest(each)
    names = [each.name for each in known]
    near = nearest(job, names)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(names)}" if names else "there is none yet"
    message = f"there is no job {shortened(job, 80)}: {hint}"
    raise JobNotFound(message)


def latest(known: JobInfo | Listed) -> JobInfo:
    """Return a job as it is now, under whatever name; looks at no other where it has kept its own.

    Raises:
        JobNotFound: it has been deleted.
    """
    found = launcher.running(session.settings)
    if found is None:
        there = [_info(directory(known.id, name=known.name))]
    else:
        with _called(known.name):
            there = [info for info in found[0].jobs(job=known.id) if info.id == known.id]
    for info in filter(None, there):
        return info
    raise _gone(known.name)


def directory(job: str, *, name: str) -> JobDirectory:
    """Return the directory on this machine of the job of an id; `name` is what it was called, and where to look first.

    Raises:
        JobNotFound: there is none.
    """
    for found in _directories(name):
        with contextlib.suppress(GptNotebookError):
            if found.spec().id == job:
                return found
    raise _gone(name)


def _directories(first: str) -> Iterator[JobDirectory]:
    """Yield where jobs are, the one of a name first; looks for the others only when they are asked for."""
    home = session.settings.home_directory()
    yield directory_of(home, first)
    yield from jobs_in(home)


def _gone(name: str) -> JobNotFound:
    message = f"the job {name} is there no more: look at the list of those there are"
    return JobNotFound(message, next_action=NextAction("list"))


@contextlib.contextmanager
def _called(name: str) -> Iterator[None]:
    """Name a job that is not there as people know it: it is asked for by its id."""
    try:
        yield
    except JobNotFound as error:
        raise _gone(name) from error


def _info(place: JobDirectory) -> JobInfo | None:
    """Return a job as its directory tells; None where that can't be read."""
    with contextlib.suppress(Exception):  # anybody may have written anything into it
        return job_progress.info(place, running=lock.holder(place) is not None)
    return None


def _listed(place: JobDirectory) -> Listed | None:
    """Return a job as a list has it; None where its directory can't be read."""
    with contextlib.suppress(Exception):  # anybody may have written anything into it
        spec = place.spec()
        state = job_progress.state(place, running=lock.holder(place) is not None)
        return Listed(spec.id, place.name, spec.request.model, state, spec.created)
    return None


def recorded(job: str, *, name: str, after: int) -> Iterator[JobEvent]:
    """Yield the events of a job behind a number that there are by now; starts no model kernel.

    Args:
        job: Its id.
        name: What it is called, for people.
        after: The number of the last event that is known.

    Raises:
        JobNotFound: it has been deleted.
    """
    found = launcher.running(session.settings)
    if found is None:
        yield from journal.read(directory(job, name=name).events, after=after)
        return
    with _called(name):
        yield from found[0].job_events(EventsRequest(job=job, after=after))


def following(job: str, *, name: str, after: int) -> Generator[JobEvent | Progress, None, None]:
    """Yield the events of a job behind a number, and what comes, until it has ended or paused; keeps none of them.

    `Progress` comes while a model kernel is being started. Closing this ends it.

    Args:
        job: Its id.
        name: What it is called, for people.
        after: The number of the last event that is known.

    Raises:
        GptNotebookError: the model kernel can't be found again.
    """
    seen, failures = after, 0
    while True:
        check_cancelled()
        try:
            with contextlib.closing(_stream(job, name, seen)) as stream:
                for event in stream:
                    if isinstance(event, Done):
                        return
                    if isinstance(event, Recorded):
                        seen, failures = event.number, 0
                    yield event
        except (*launcher.LEAVING, JobNotFound) as error:
            failures += 1
            # A job that was renamed is found again by its id; one that was deleted is not.
            if failures > (1 if isinstance(error, JobNotFound) else ATTEMPTS):
                raise
            time.sleep(RETRY_SECONDS)


def _stream(job: str, name: str, after: int) -> Generator[JobEvent | Progress, None, None]:
    request = EventsRequest(job=job, after=after, follow=True)
    with _called(name):
        yield from session.stream(lambda client: client.job_events(request))


class Record:
    """The events of a job as far as they have come; may be read by several threads."""

    def __init__(self, job: str, *, name: str) -> None:
        """Know none yet; `job` is the id, which stays when the name changes, and `name` what it is called now."""
        self._job = job
        self._name = name
        self._events: list[JobEvent] = []
        self._lock = threading.Lock()

    @property
    def events(self) -> list[JobEvent]:
        """Those that have come, in their order."""
        with self._lock:
            return list(self._events)

    @property
    def last(self) -> int:
        """The number of the last of them."""
        with self._lock:
            return self._events[-1].number if self._events else 0  # type: ignore[union-attr]

    def refresh(self) -> list[JobEvent]:
        """Return all events there are by now; starts no model kernel."""
        for last_attempt in (False, True):
            try:
                for event in recorded(self._job, name=self._name, after=self.last):
                    self._add(event)
            except launcher.LEAVING:
                if last_attempt:
                    raise
            else:
                break
        return self.events

    def following(self, *, after: int | None = None) -> Generator[JobEvent | Progress, None, None]:
        """Yield the events behind a number, or those that are new, until the job has ended or paused.

        `Progress` comes while a model kernel is being started. Closing this ends it.

        Raises:
            GptNotebookError: the model kernel can't be found again.
        """
        seen = self.last if after is None else after
        with contextlib.closing(following(self._job, name=self._name, after=seen)) as events:
            for event in events:
                if isinstance(event, Recorded):
                    self._add(event)
                yield event

    def _add(self, event: JobEvent) -> None:
        """Keep an event, unless another thread has."""
        with self._lock:
            if isinstance(event, Recorded) and (not self._events or event.number > self._events[-1].number):  # type: ignore[union-attr]
                self._events.append(event)
