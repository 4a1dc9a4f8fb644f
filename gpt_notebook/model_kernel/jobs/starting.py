"""From a request to a job's directory: a new one, or the one that is there already.

A directory gets its name when everything in it is whole, by a rename that fails where another has it: so of many who start the
same at the same moment, in whichever process, one makes the job and the others find it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gpt_notebook.adapter_places import split
from gpt_notebook.errors import DataNotFound, DiskFull, JobDiffers, JobError, JobInUse, JobNotFound
from gpt_notebook.job_events import StateChanged
from gpt_notebook.job_files import data_digests, lock, publishing
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import EarlierRequest, JobDirectory, JobSpec, directory_of
from gpt_notebook.job_files.disk import NO_ROOM, TEMPORARY, Disk
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import JobRequest
from gpt_notebook.model_kernel.jobs.base import Base
from gpt_notebook.model_kernel.jobs.data_store import DataStore, n_rows
from gpt_notebook.model_kernel.jobs.differences import differences
from gpt_notebook.model_kernel.jobs.recording import LOCK_SECONDS, recording
from gpt_notebook.model_kernel.jobs.register import Job, Register
from gpt_notebook.protocol import DEFAULT_MODEL

ABANDONED_SECONDS = 3600.0
"""What was being made so long ago is made by nobody any more."""
NAME_LENGTH = 56
"""Characters of a name that is made, before its number."""
GOES_ON = ("failed", "cancelled")
"""States that starting the same again ends, as it ends the silence of a process that has died."""


@dataclass(frozen=True)
class Placed:
    """A job that is there."""

    name: str
    attached: bool
    """Whether it was there before."""
    resumed: bool = False
    """Whether it had come to a bad end, and waits for its turn now to go on."""


class Starting:
    """Makes jobs, and finds those that were made."""

    def __init__(self, home: Path, register: Register, store: DataStore) -> None:
        """Work below a home."""
        self._home = home
        self._register = register
        self._store = store

    def attached(self, request: JobRequest) -> Placed | None:
        """Return the job of a request that runs, waits or pauses: the model's files need not be looked at for it.

        None also where only a closer look can tell.
        """
        jobs = self._register.look()
        for job in jobs:
            asked = replace(job.spec, request=replace(request, name=job.spec.name, force=False))
            meant = request.name == job.spec.name or (request.name is None and not job.spec.before)
            if meant and not differences(job.spec, asked):
                has_died = job.state == "running" and job.holder is None
                if job.state in ("running", "queued", "paused") and not has_died:
                    return Placed(job.spec.name, attached=True)
        return None

    def check_data(self, request: JobRequest) -> None:
        """See that the data are here, before a model is downloaded for them.

        Raises:
            DataNotFound: they aren't.
        """
        for digest in (request.data, request.validation):
            if digest is not None:
                self._store.find(digest)

    def place(self, request: JobRequest, base: Base) -> Placed:
        """Make a job, or attach to the one that there is.

        Raises:
            JobDiffers: the name stands for other data or options, and `force` is off, or for something else.
            JobInUse: the job runs, and so can't go on with others.
            DataNotFound: the data are not here.
            DiskFull: there is no space for it.
        """
        with _in_one_line(self._home):
            while True:
                if request.force and request.name is not None and self._is_unknown(request.name):
                    self._become(directory_of(self._home, request.name), _spec(request.name, request, base))
                    return Placed(request.name, attached=True, resumed=True)
                if (job := self._there(request, base)) is not None:
                    return self._attach(job, request, base)
                name = request.name or self._new_name(base.model)
                self._refuse_taken(name)
                if self._made(_spec(name, request, base)):
                    return Placed(name, attached=False)

    def _there(self, request: JobRequest, base: Base) -> Job | None:
        """Return the job that a request means, if there is one: by its name, or else by all that makes it what it is."""
        if request.name is None:
            jobs = sorted(self._register.look(), key=lambda job: -job.spec.created)
            # One that was forced to go on with these values is not made of them alone.
            whole = (job for job in jobs if not job.spec.before)
            return next((job for job in whole if not differences(job.spec, _spec("", request, base))), None)
        try:
            return self._register.find(request.name)
        except JobNotFound:
            return None

    def _is_unknown(self, name: str) -> bool:
        """Whether there is a job of which nobody knows any more what it was."""
        directory = directory_of(self._home, name)
        try:
            if directory.exists():
                directory.spec()
        except JobNotFound:
            return False
        except JobError:
            return True
        return False

    def _become(self, directory: JobDirectory, asked: JobSpec) -> None:
        """Let a job be what is asked for, of which it is not known what it was, and let it wait for its turn.

        Raises:
            JobInUse: a process has it.
        """
        with lock.hold(directory, wait=LOCK_SECONDS) as ours:
            if not ours:
                message = f"the job {directory.name} runs, and its job.json cannot be read: stop its process first"
                raise JobInUse(message)
            drafts = self._drafted(directory, asked.request)
            directory.write_spec(asked)
            _put(drafts)
        with recording(self._register, directory) as record:
            if record is None:
                return
            if record.job.state == "running":
                record.bury("found when it was started again")
            if record.job.state != "queued":
                record.queue()
            record.note("its job.json could not be read: nobody knows what the steps until now are made of")

    # --- one that is there ------------------------------------------------------------------------------------------

    def _attach(self, job: Job, request: JobRequest, base: Base) -> Placed:
        asked = _spec(job.spec.name, request, base, like=job.spec)
        found = differences(job.spec, asked, n_rows=lambda digest: self._n_rows(job, digest))
        if found and not request.force:
            message = (
                f"the job {job.spec.name} was begun with other values ({', '.join(found)}): give another name for a new job, "
                "or the option force to go on with the new ones"
            )
            raise JobDiffers(message, param="name")
        if found and asked.request.options.method != job.spec.request.options.method:
            message = (
                f"the job {job.spec.name} cannot go on with another method ({', '.join(found)}): give another name"
            )
            raise JobDiffers(message, param="name")
        with recording(self._register, job.directory, wait=0 if job.state == "running" else 10) as record:
            if record is None:
                if found:
                    message = f"the job {job.spec.name} runs, and cannot change meanwhile ({', '.join(found)}): pause or stop it first"
                    raise JobInUse(message)
                return Placed(job.spec.name, attached=True)
            if found:
                _refuse_what_is_done(record.job, asked.request)
                self._change(record.job, asked)
            else:
                self._put_right(record.job, asked)
            state = record.job.state
            if state == "running":
                record.bury("found when it was started again")
            if goes_on := state in ("running", *GOES_ON) or (bool(found) and state != "queued"):
                record.queue()
            if found:
                record.note(f"it goes on with other values than it was begun with: {', '.join(found)}")
        return Placed(job.spec.name, attached=True, resumed=goes_on)

    def _n_rows(self, job: Job, digest: str) -> int | None:
        """Return how many rows a job's data have, or those that are asked for; None where they are gone."""
        request = job.spec.request
        own = {request.data: job.directory.data, request.validation: job.directory.validation}
        with contextlib.suppress(OSError, DataNotFound):
            return n_rows(own.get(digest) or self._store.find(digest))
        return None

    def _change(self, job: Job, asked: JobSpec) -> None:
        """Let a job be what is asked for now; where that fails, it is what it was.

        Raises:
            DataNotFound: the data are not here.
            OSError: such as of a full disk.
        """
        drafts = self._drafted(job.directory, asked.request)
        job.directory.write_spec(replace(asked, before=_before(job)))
        _put(drafts)

    def _put_right(self, job: Job, asked: JobSpec) -> None:
        """Give a job its own data again, where a model kernel died in a change, and say where its model's files are now.

        Raises:
            DataNotFound: the data are not here.
            OSError: such as of a full disk.
        """
        if data_digests.differing(job.directory, asked.request):
            _put(self._drafted(job.directory, asked.request))
        if (job.spec.source, job.spec.adapter) != (asked.source, asked.adapter):
            job.directory.write_spec(replace(job.spec, source=asked.source, adapter=asked.adapter))

    # --- a new one --------------------------------------------------------------------------------------------------

    def _made(self, spec: JobSpec) -> bool:
        """Make a job that waits for its turn; False when somebody else has made one of this name meanwhile."""
        place = directory_of(self._home, spec.name)
        draft = JobDirectory(place.path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}"))
        try:
            draft.create()
            _put(self._drafted(draft, spec.request))
            draft.write_spec(spec)
            with Journal(draft.events) as journal:
                journal.write(StateChanged, state="queued")
            Disk().sync(draft.path)
            draft.path.rename(place.path)
        except OSError as error:
            shutil.rmtree(draft.path, ignore_errors=True)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
        except BaseException:
            shutil.rmtree(draft.path, ignore_errors=True)
            raise
        Disk().sync(place.path.parent)
        return True

    def _drafted(self, directory: JobDirectory, request: JobRequest) -> dict[Path, Path | None]:
        """Draft a job's data beside their places, as hard links, or copies where there are none; None for a place to be empty."""
        drafts: dict[Path, Path | None] = {}
        for digest, place in ((request.data, directory.data), (request.validation, directory.validation)):
            if digest is None:
                drafts[place] = None
                continue
            draft = drafts[place] = place.with_name(f"{TEMPORARY}{place.name}")
            draft.unlink(missing_ok=True)
            source = self._store.find(digest)
            try:
                os.link(source, draft)
            except OSError as error:
                if error.errno in NO_ROOM:
                    raise
                shutil.copyfile(source, draft)
                Disk().sync(draft)
        return drafts

    def _new_name(self, model: str) -> str:
        base, _ = split(model)
        stem = fitted(Path(base).name.partition("@")[0])
        number = 1
        while publishing.taken(self._home, f"{stem}-{number}") is not None:
            number += 1
        return f"{stem}-{number}"

    def _refuse_taken(self, name: str) -> None:
        found = publishing.taken(self._home, name)
        if found is None and name != DEFAULT_MODEL:
            return
        if found is not None and directory_of(self._home, name).exists():
            return  # Somebody else has just made it.
        there = "the bundled model" if found is None else f"{found}"
        message = f"{name!r} is the name of something else already ({there}): give another name"
        raise JobDiffers(message, param="name")

    def tidy(self, *, older_than: float) -> None:
        """Remove what model kernels that were killed have left half made, so many seconds ago."""
        now = time.time()
        for path in (self._home / "jobs").glob(f"{TEMPORARY}*"):
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > older_than:
                    shutil.rmtree(path, ignore_errors=True)


def _put(drafts: dict[Path, Path | None]) -> None:
    """Put what was drafted into its places."""
    for place, draft in drafts.items():
        if draft is None:
            place.unlink(missing_ok=True)
        else:
            draft.rename(place)


def _refuse_what_is_done(job: Job, asked: JobRequest) -> None:
    """Refuse to go on to a step that was done with other values: what it is made of would not be what it says.

    Raises:
        JobDiffers: says how many are done.
    """
    steps, done = asked.options.max_steps, job.progress.step
    if done and steps is not None and steps <= done:
        message = f"the job {job.spec.name} has done {done} steps already, and {steps} are asked for: ask for more, or give another name"
        raise JobDiffers(message, param="max_steps")


def _before(job: Job) -> tuple[EarlierRequest, ...]:
    """Return what a job was until now, if anything is left of that: it goes on from its newest checkpoint."""
    newest = max((saved.step for saved in Checkpoints(job.directory).infos() if saved.can_resume), default=0)
    before: list[EarlierRequest] = []
    for earlier in (*job.spec.before, EarlierRequest(until=newest, request=job.spec.request)):
        until = min(earlier.until, newest)
        if until > (before[-1].until if before else 0):
            before.append(replace(earlier, until=until))
    return tuple(before)


def fitted(text: str) -> str:
    """Return a text made fit to be the beginning of a name."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:NAME_LENGTH] or "model"


def _spec(name: str, request: JobRequest, base: Base, *, like: JobSpec | None = None) -> JobSpec:
    """Return what a job of this name would be; `like` is the one that it would be."""
    return JobSpec(
        id=f"job-{secrets.token_hex(8)}" if like is None else like.id,
        name=name,
        created=time.time() if like is None else like.created,
        request=replace(request, name=name or None, model=base.model, force=False),
        source=base.source,
        fingerprint=base.fingerprint,
        adapter=base.adapter,
        adapter_digest=base.adapter_digest,
        before=() if like is None else like.before,
    )


@contextlib.contextmanager
def _in_one_line(home: Path) -> Iterator[None]:
    """Say in one line what the disk has against it.

    Raises:
        DiskFull: there is no space.
        JobError: it can't be written there.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            message = (
                f"there is no space for a job in {home / 'jobs'}: make room, or set GPT_NOTEBOOK_HOME to another place"
            )
            raise DiskFull(message) from None
        message = f"no job can be kept in {home / 'jobs'} ({error.strerror or error}): see that it can be written, or set GPT_NOTEBOOK_HOME"
        raise JobError(message) from None
