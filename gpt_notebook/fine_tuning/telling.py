"""Telling a job something, and waiting a moment for it to obey, which it does between two steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator

from gpt_notebook.display import job_reports
from gpt_notebook.errors import JobError
from gpt_notebook.fine_tuning.waiting import limited
from gpt_notebook.job_events import CommandDone, JobEvent
from gpt_notebook.job_protocol import ENDED, CommandName, CommandRequest, JobInfo
from gpt_notebook.protocol import Progress
from gpt_notebook.session import session

ACKNOWLEDGED_SECONDS = 10.0
"""How long to wait until a job has obeyed."""
LAST_WORD_SECONDS = 1.0
"""How long to wait for the answer of a job that has ended."""
RETRY_SECONDS = 0.1

Status = Callable[[], JobInfo]
"""Returns the job as it is now."""
Following = Callable[[int], Generator[JobEvent | Progress, None, None]]
"""Yields what happens in the job behind the event of a number."""


def tell(
    job: str, command: CommandName, value: float | None, *, after: int, following: Following, status: Status
) -> bool:
    """Have a command written down, and wait a moment for the job to obey; returns whether it has.

    Args:
        job: The job's id.
        command: What it is told.
        value: To which value; None: the command has none.
        after: The number of the last event that is known.
        following: Where its answer comes.
        status: How the job is.

    Raises:
        InvalidRequest: it can't in its state; says what it can.
        JobError: it has not obeyed; says why.
    """
    request = CommandRequest(job=job, command=command, value=value)
    number = session.ask(lambda client: client.command(request))
    answer = _acknowledgement(number, after, following, status)
    if answer is not None and answer.obeyed:
        return True
    info, asked = status(), words(command, value)
    if answer is not None:
        message = f"{info.name} can't {asked}: {answer.message or 'it gave no reason'}"
        raise JobError(message)
    if info.state in ENDED:
        message = f"{info.name} did not {asked}: it has ended meanwhile, {job_reports.state_text(info)}"
        raise JobError(message)
    return False


def _acknowledgement(number: int, after: int, following: Following, status: Status) -> CommandDone | None:
    """Return what a job says to a command; None where it says nothing in time, or has ended and says no more."""
    deadline = time.monotonic() + ACKNOWLEDGED_SECONDS
    ended = False
    while (left := deadline - time.monotonic()) > 0:
        with limited(left), contextlib.closing(following(after)) as events:
            for event in events:
                if isinstance(event, CommandDone) and event.command_number == number:
                    return event
        if status().state in ENDED and not ended:
            # Once more: the answer may have come between the two.
            ended, deadline = True, min(deadline, time.monotonic() + LAST_WORD_SECONDS)
        time.sleep(min(RETRY_SECONDS, max(0.0, deadline - time.monotonic())))
    return None


def late(name: str, command: CommandName, value: float | None) -> str:
    """Return that a job has not answered yet, and when it will."""
    return (
        f"{name} has not answered yet to {words(command, value)}: it does between two steps, or once it has begun; the "
        "command is kept"
    )


def words(command: CommandName, value: float | None) -> str:
    """Return what a job is told, in words."""
    return command if value is None else f"set {command.replace('_', ' ')} to {value:g}"
