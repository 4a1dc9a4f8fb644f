"""Who runs, whose turn is next, and who has died: looked at again and again, and believed only by locks and journals.

One job runs at a time, whichever model kernel started it; the others follow in the order in which they were queued. A model
kernel that begins knows nothing and needs to know nothing: what runs holds its lock, and what waits says so in its journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gpt_notebook.model_kernel.jobs import processes
from gpt_notebook.model_kernel.jobs.processes import Process, Start
from gpt_notebook.model_kernel.jobs.recording import recording
from gpt_notebook.model_kernel.jobs.register import Job, Register, in_short, queue
from gpt_notebook.protocol import RunningJob

logger = logging.getLogger(__name__)

BUSY_SECONDS = 0.25
"""How often jobs are looked at while one runs or waits."""
IDLE_SECONDS = 5.0
"""Otherwise: another model kernel may have queued one and died."""
BEGIN_SECONDS = 60.0
"""How long a process may take from its start to its first word."""
POLL_SECONDS = 0.02
OBEY_SECONDS = 30.0
"""How long a process may take to obey `cancel`."""
LEAVE_SECONDS = 60.0
"""How long it may hold its job after its last word."""
FORCE_SECONDS = 10.0
"""How long it may take to end in order, when it must."""

MakeRoom = Callable[[Job], Awaitable[str | None]]
"""Makes room for a job on its device; returns what is to be said of it."""


class Watch:
    """Looks after the jobs below a home."""

    def __init__(self, home: Path, register: Register, *, start: Start, make_room: MakeRoom) -> None:
        """Look after nothing yet.

        Args:
            home: where the jobs are.
            register: what is known of them.
            start: starts a job's process.
            make_room: called when it is a job's turn.
        """
        self.current: tuple[RunningJob, ...] = ()
        """Those that run or wait, when they were last looked at."""
        self.deciding = asyncio.Lock()
        """Held while it is decided what becomes of jobs."""
        self._home = home
        self._register = register
        self._start = start
        self._make_room = make_room
        self._begun: dict[str, _Begun] = {}
        """By a job's id: those that were started from here and have not been seen to end."""
        self._ended: dict[str, tuple[int, str]] = {}
        """By a job's id: those that have, with the number of `_Begun`, and why they have ended as far as is known."""
        self._told_to_end: dict[str, float] = {}
        """By a job's id: when its process was sent a signal, on the monotonic clock."""
        self._look_now = asyncio.Event()

    def look_soon(self) -> None:
        """Look again at once: something has changed."""
        self._look_now.set()

    async def run(self) -> None:
        """Look after the jobs for good."""
        self._look_now = asyncio.Event()
        while True:
            self._look_now.clear()
            try:
                await self._round()
            except Exception:
                # A full disk or a directory that somebody has changed must not be the end of all other jobs.
                logger.exception("the jobs could not be looked after")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BUSY_SECONDS if self.current or self._begun else IDLE_SECONDS):
                    await self._look_now.wait()

    async def _round(self) -> None:
        async with self.deciding:
            jobs = await asyncio.to_thread(self._settle)
        self.current = in_short(jobs)
        waiting = queue(jobs)
        if waiting and not any(self.has_process(job) for job in jobs):
            said = await self._make_room(waiting[0])
            await self._begin(waiting[0], said)
            await self.refresh()

    async def _begin(self, job: Job, said: str | None) -> None:
        """Start a job's process, and wait until it runs; unless it is no job's turn any more."""
        with self._alone() as alone:
            if not alone:
                return
            async with self.deciding:
                begun = await asyncio.to_thread(self._started, job, said)
            if begun is not None:
                await asyncio.to_thread(self._wait_for_word, job, begun)

    async def refresh(self) -> None:
        """See at once what runs or waits, without doing anything about it."""
        self.current = in_short(await asyncio.to_thread(self._register.look))

    # --- what follows runs in a thread ------------------------------------------------------------------------------

    def _settle(self) -> list[Job]:
        """Say of every job what has become of it, and return them all."""
        jobs = self._register.look()
        self._reap(jobs)
        changed = False
        for job in jobs:
            try:
                changed |= self._settled(job)
            except Exception:  # One job must not be the end of all others.
                logger.exception("the job %s could not be looked after", job.spec.name)
        return self._register.look() if changed else jobs

    def _reap(self, jobs: list[Job]) -> None:
        """Take note of processes that have ended, so that none stays as a zombie."""
        for key, begun in list(self._begun.items()):
            if (code := begun.process.poll()) is not None:
                del self._begun[key]
                for job in jobs:
                    if job.spec.id == key:
                        self._ended[key] = (begun.number, processes.last_words(job.directory, code))

    def _settled(self, job: Job) -> bool:
        """Do what is due for one job; whether anything was."""
        if job.holder is not None:
            self._end_what_hangs(job)
            return False
        self._told_to_end.pop(job.spec.id, None)
        number, words = self._ended.pop(job.spec.id, (None, None))
        # One that has not even said that it runs has died all the same.
        died = job.state == "running" or (job.state == "queued" and job.state_number == number)
        if not died and (job.active or not job.commands):
            return False
        with recording(self._register, job.directory, wait=0) as record:
            if record is None:
                return False
            if died and record.job.state in ("running", "queued"):
                record.bury(words or processes.last_words(job.directory, None))
            elif record.job.state == "paused":
                # They came when the process had read its last one.
                record.obey_all()
            elif record.job.ended:
                state = record.job.state
                record.overtake(f"the job had ended by then ({state})", can_go_on=state != "succeeded")
        return True

    def _end_what_hangs(self, job: Job) -> None:
        """End a process that was told `cancel` long ago, or has said its last word long ago; in order if it can."""
        if not self._hangs(job):
            self._told_to_end.pop(job.spec.id, None)
            return
        is_new = job.spec.id not in self._told_to_end
        asked = self._told_to_end.setdefault(job.spec.id, time.monotonic())
        if processes.end(job.directory, force=time.monotonic() - asked > FORCE_SECONDS) and is_new:
            logger.info("the process of the job %s hangs, and was sent a signal", job.spec.name)

    def _hangs(self, job: Job) -> bool:
        """Whether a job's process has had its time; whoever else holds the lock has all of it."""
        if job.holder is None or not job.holder.is_job:
            return False
        # The first, as one that is told again and again has no more time for that.
        cancel = next((each for each in job.commands if each.command == "cancel"), None)
        since, patience = None if cancel is None else cancel.time, OBEY_SECONDS
        if job.state_event is not None and not job.active:
            since, patience = job.state_event.time, LEAVE_SECONDS
        return since is not None and time.time() > max(since, job.holder.since or 0.0) + patience

    def _started(self, job: Job, said: str | None) -> _Begun | None:
        """Start a job's process; None where that can't be, or it is no job's turn any more."""
        jobs = self._register.look()
        if job not in queue(jobs)[:1] or any(self.has_process(each) for each in jobs):
            return None
        if said is not None:
            with recording(self._register, job.directory, wait=0) as record:
                if record is not None:
                    record.note(said)
        number = job.state_number
        try:
            process = self._start(job.directory)
        except OSError as error:
            self._ended[job.spec.id] = (number, f"it could not be started: {error.strerror or error}")
            return None
        begun = self._begun[job.spec.id] = _Begun(process, number)
        return begun

    def _wait_for_word(self, job: Job, begun: _Begun) -> None:
        """Wait until a process has said that it runs; its job's lock alone could be held by somebody who only looks."""
        deadline = time.monotonic() + BEGIN_SECONDS
        while begun.process.poll() is None and time.monotonic() < deadline:
            if self._register.find(job.spec.name).state_number != begun.number:
                return
            time.sleep(POLL_SECONDS)

    def has_process(self, job: Job) -> bool:
        """Whether a process has a job, or is about to: one that was started may take seconds until it holds the lock."""
        begun = self._begun.get(job.spec.id)
        is_beginning = begun is not None and begun.number == job.state_number and begun.process.poll() is None
        return job.holder is not None or is_beginning

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Keep other model kernels from beginning another job at the same moment; yields whether they can't."""
        path = self._home / "jobs" / ".begin.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            alone = True
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                alone = False
            yield alone
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class _Begun:
    """A process that was started from here."""

    process: Process
    number: int
    """Of the event by which the job waited then."""
