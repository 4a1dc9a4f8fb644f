"""What jobs are told: written down for those that run, and done at once for those that don't."""

from __future__ import annotations

from collections.abc import Callable

from gpt_notebook.errors import InvalidRequest, JobError
from gpt_notebook.job_files import commands
from gpt_notebook.job_protocol import CommandRequest
from gpt_notebook.model_kernel.jobs.recording import Recording, recording
from gpt_notebook.model_kernel.jobs.register import Job, Register

TRIES = 5
"""More often a job does not begin or end while it is looked at."""
GO_ON = ": start it again with more steps and the option force to go on"
LEAVING_SECONDS = 2.0
"""How long a process is waited for that has said its last word."""


def tell(register: Register, request: CommandRequest, *, has_process: Callable[[Job], bool]) -> int:
    """Write a command down, and where no process will read it, do it; return its number.

    Args:
        register: what is known of jobs.
        request: which job is told what.
        has_process: whether a process has a job, or is about to.

    Raises:
        JobNotFound: there is no such job.
        InvalidRequest: it can't be done in the state that the job is in; says what can.
        JobError: it can't be written down.
    """
    for _ in range(TRIES):
        job = register.find(request.job)
        if has_process(job) and not job.ended:
            # A process that ends at this moment leaves it unread; who looks after the jobs sees that then.
            return _written(job, request)
        with recording(register, job.directory, wait=LEAVING_SECONDS if job.ended else 0) as record:
            if record is not None:
                return _done(record, request)
    message = f"the job {request.job} is just beginning or ending: try again in a moment"
    raise InvalidRequest(message)


def _done(record: Recording, request: CommandRequest) -> int:
    job = record.job
    _refuse_impossible(job, request)
    if job.state == "running":
        # First, as from then on it waits for nobody.
        record.bury("found when it was told something")
    number = _written(job, request)
    record.obey_all()
    return number


def _written(job: Job, request: CommandRequest) -> int:
    try:
        return commands.append(job.directory, request.command, request.value)
    except OSError as error:
        message = (
            f"{job.directory.control} cannot be written to ({error.strerror or error}): make room for it, or repair it"
        )
        raise JobError(message) from error


def _refuse_impossible(job: Job, request: CommandRequest) -> None:
    """Refuse what makes no sense for a job that no process runs."""
    name, state = job.spec.name, job.state
    refusals = {
        ("queued", "pause"): "waits for its turn, and has nothing to pause: cancel takes it out of the queue",
        ("queued", "resume"): "waits for its turn already",
        ("paused", "pause"): "is paused already: resume goes on",
        ("running", "pause"): "has lost its process: resume goes on from its last checkpoint",
        ("failed", "pause"): "has failed: resume goes on from its last checkpoint",
        ("cancelled", "pause"): "was cancelled: resume goes on from its last checkpoint",
        ("cancelled", "cancel"): "was cancelled already",
        ("succeeded", "resume"): f"has come to its end{GO_ON}",
    }
    reason = refusals.get((state, request.command))
    if reason is None and state == "succeeded":
        reason = "has come to its end"
        reason += GO_ON if request.command in commands.SETTINGS else ""
    if (
        reason is None
        and state in ("failed", "cancelled")
        and request.command in ("stop", "cancel")
        and not _has_died(job)
    ):
        reason = f"has ended already ({state})"
    if reason is None:
        reason = commands.refusal(request.command, request.value, step=job.progress.step)
        reason = reason and f"cannot be told that: {reason}"
    if reason is not None:
        message = f"the job {name} {reason}"
        raise InvalidRequest(message, param="command")


def _has_died(job: Job) -> bool:
    return job.state_event is not None and job.state_event.reason == "died"
