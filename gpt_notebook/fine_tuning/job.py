"""A fine-tuning job as a notebook sees it: how far it is, what it can be told, what it has made.

A `Job` is a name for something that lives elsewhere, in a process of its own and a directory. It goes on without the
notebook, and without the model kernel; any notebook of the user gets it again with `gpt.job(name)`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self, cast, get_args

from gpt_notebook import arguments
from gpt_notebook.asking import agreed
from gpt_notebook.cancellation import Cancellation
from gpt_notebook.display import job_reports, progress
from gpt_notebook.display.quantities import counted
from gpt_notebook.errors import (
    GptNotebookError,
    JobError,
    JobFailed,
    JobUnfinished,
    RequestCancelled,
    WaitInterrupted,
)
from gpt_notebook.fine_tuning import metrics as job_metrics
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.fine_tuning.waiting import Waiting
from gpt_notebook.job_files import history
from gpt_notebook.job_protocol import (
    COLUMNS,
    ENDED,
    CheckpointInfo,
    CommandDone,
    CommandName,
    CommandRequest,
    ForgetRequest,
    JobEvent,
    JobInfo,
    JobState,
    Recorded,
)
from gpt_notebook.protocol import Progress
from gpt_notebook.session import session

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from gpt_notebook.evaluation.result import Evaluation

ACKNOWLEDGED_SECONDS = 10.0
"""How long to wait until a job has obeyed: it does so between two steps."""
LAST_WORD_SECONDS = 1.0
"""How long to wait for the answer of a job that has ended."""
RETRY_SECONDS = 0.1
STATES: tuple[JobState, ...] = get_args(JobState)


class Job:
    """A fine-tuning job; what it tells is as it is at that moment."""

    def __init__(self, info: JobInfo) -> None:
        """Be the job of this id, under whatever name it goes."""
        self.id = info.id
        """Stays, also when the name changes."""
        self._info = info
        self._record = job_records.Record(info.id)

    # --- how it is --------------------------------------------------------------------------------------------------

    @property
    def status(self) -> JobInfo:
        """Everything that is known of it, as it is now."""
        self._info = job_records.find(self.id)
        return self._info

    @property
    def name(self) -> str:
        """What the job is called, and its adapter or model."""
        return self.status.name

    @property
    def state(self) -> JobState:
        """One of queued, running, paused, succeeded, failed and cancelled; `status.reason` says why."""
        return self.status.state

    @property
    def pid(self) -> int | None:
        """The process that runs it now."""
        return self.status.pid

    @property
    def directory(self) -> str:
        """Where all of it is, on the machine of the model kernel."""
        return self.status.directory

    @property
    def base(self) -> str:
        """The model that it began with."""
        return self._info.model

    @property
    def model(self) -> str | None:
        """What it has made so far, as `model=` takes it; None before the first checkpoint."""
        return self.status.result

    @property
    def checkpoints(self) -> tuple[CheckpointInfo, ...]:
        """The checkpoints that are there."""
        return self.status.checkpoints

    @property
    def best(self) -> CheckpointInfo | None:
        """The checkpoint with the best validation."""
        return next((each for each in self.checkpoints if each.best), None)

    # --- what has happened ------------------------------------------------------------------------------------------

    def events(self, *, follow: bool = False) -> Iterator[JobEvent]:
        """Yield what has been recorded of it, each event once.

        Args:
            follow: Whether to wait for more until it has ended or paused, whatever happens to the model kernel.
        """
        if not follow:
            return iter(self._record.refresh())
        found = self._record.following(after=0)
        return (cast("JobEvent", each) for each in found if isinstance(each, Recorded))

    def metrics(self) -> Any:
        """Return its numbers by step: loss, learning rate, time and more, and those of the validations.

        Returns:
            A DataFrame, or where pandas isn't installed a list of dicts.
        """
        return job_metrics.as_table(job_metrics.metrics(self._counted()), job_metrics.COLUMNS)

    def samples(self) -> Any:
        """Return what it made of each probe, by step; a table as `metrics` gives it."""
        return job_metrics.as_table(job_metrics.samples(self._counted()), ("step", "prompt", "text"))

    def plot(self) -> Figure:
        """Return a Plotly figure of its loss, and of the validations'."""
        info = self.status
        rows = job_metrics.metrics(self._counted())
        return job_metrics.loss_figure(rows, title=f"{info.name} on {info.model}", best=info.best_step)

    def evaluate(self, data: Any, **options: Any) -> Evaluation:
        """Measure what it has made on data, with the arguments of `gpt.evaluate`, such as `metric=`.

        Columns and templates are those of its training, unless some are given.

        Raises:
            JobError: it has made nothing yet.
        """
        from gpt_notebook.evaluation import functions as evaluation

        info = self.status
        if info.result is None:
            message = f"{info.name} has no checkpoint yet: wait for the first, as in job.wait()"
            raise JobError(message)
        columns = {} if any(options.get(name) is not None for name in COLUMNS) else info.columns
        return evaluation.evaluate(info.result, data, **{**options, **columns})

    def _counted(self) -> list[JobEvent]:
        return history.counted(self._record.refresh())

    # --- what it can be told ----------------------------------------------------------------------------------------

    def pause(self) -> Self:
        """Save it and give its memory back; `resume` goes on exactly there."""
        return self._tell("pause")

    def resume(self) -> Self:
        """Go on after a pause, or after a failure, from its newest checkpoint."""
        return self._tell("resume")

    def stop(self) -> Self:
        """End it now and keep what it has made."""
        return self._tell("stop")

    def cancel(self) -> Self:
        """End it now; nothing more is saved."""
        return self._tell("cancel")

    def set_learning_rate(self, learning_rate: float) -> Self:
        """Change the learning rate of the next step, from which the schedule then falls to its end; a warm-up is over."""
        return self._tell("learning_rate", arguments.number("learning_rate", "float", learning_rate))

    def set_max_steps(self, max_steps: int) -> Self:
        """Change how many steps it has in all."""
        return self._tell("max_steps", arguments.positive("max_steps", max_steps))

    def delete(self, *, force: bool = False) -> bool:
        """Delete it with its checkpoints and the adapter or the model that it has made; see `gpt.delete_job`."""
        info = self.status
        if not arguments.true_or_false("force", force) and not agreed(_question(info), info.name):
            return False
        session.ask(lambda client: client.forget_job(ForgetRequest(job=self.id)))
        return True

    def _tell(self, command: CommandName, value: float | None = None) -> Self:
        """Have a command written down, and wait a moment for the job to obey.

        Raises:
            JobError: it can't; says why.
        """
        request = CommandRequest(job=self.id, command=command, value=value)
        self._record.refresh()
        before = self._record.last
        number = session.ask(lambda client: client.command(request))
        answer = self._acknowledgement(number, before)
        if answer is None and (info := self.status).state in ENDED:
            message = (
                f"{info.name} did not {_words(command, value)}: it has ended meanwhile, {job_reports.state_text(info)}"
            )
            raise JobError(message)
        if answer is None:
            progress.note(
                f"{self._info.name} has not answered yet to {_words(command, value)}: it does between two steps, or once it "
                "has begun; the command is kept"
            )
        elif not answer.obeyed:
            message = f"{self._info.name} can't {_words(command, value)}: {answer.message or 'it gave no reason'}"
            raise JobError(message)
        return self

    def _acknowledgement(self, number: int, after: int) -> CommandDone | None:
        """Return what a job says to a command; None where it says nothing in time, or has ended and says no more."""
        deadline = time.monotonic() + ACKNOWLEDGED_SECONDS
        ended = False
        while (left := deadline - time.monotonic()) > 0:
            with _limited(left), contextlib.closing(self._record.following(after=after)) as events:
                for event in events:
                    if isinstance(event, CommandDone) and event.command_number == number:
                        return event
            if self.status.state in ENDED and not ended:
                # Once more: the answer may have come between the two.
                ended, deadline = True, min(deadline, time.monotonic() + LAST_WORD_SECONDS)
            time.sleep(min(RETRY_SECONDS, max(0.0, deadline - time.monotonic())))
        return None

    # --- waiting ----------------------------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None, *, until: JobState | int | None = None) -> Self:
        """Wait until it has ended or paused, and show how far it is; an interrupt ends the waiting only.

        Args:
            timeout: Seconds; None: as long as it takes.
            until: A state, or a number of steps, that is enough.

        Raises:
            JobFailed: it has failed; says why.
            JobUnfinished: it has not come so far in time.
            WaitInterrupted: the user interrupted; the job goes on.
        """
        if isinstance(until, str):
            arguments.one_of("until", until, STATES)
        elif until is not None:
            until = arguments.positive("until", until)
        known = self._known()
        name, queued = known.name, job_reports.short_state(known) if known.state == "queued" else "queued"
        try:
            with contextlib.closing(progress.bar(name)) as bar, _limited(timeout):
                if self._waited(Waiting(name, until, queued=queued), bar):
                    return self
        except KeyboardInterrupt as error:
            raise WaitInterrupted(name) from error
        info = self.status
        if info.state == "failed" and until != "failed":
            raise JobFailed(_failure(info))
        if info.state not in (*ENDED, "paused", until):
            what = "ended" if until is None else f"come to {f'step {until}' if isinstance(until, int) else until}"
            message = f"{info.name} has not {what} within {timeout:g} s: it goes on, {job_reports.step_text(info, bar=False)} steps"
            raise JobUnfinished(message)
        if info.state == "paused" and until != "paused":
            progress.note(f"{info.name} is {job_reports.state_text(info)}: job.resume() goes on")
        return self

    def _waited(self, waiting: Waiting, bar: progress.Bar) -> bool:
        """Follow the job; return True once it has come to what is waited for, False when it comes no further."""
        for known in self._record.refresh():
            waiting.add(known)
        with contextlib.closing(self._record.following()) as events:
            while not waiting.enough:
                event = next(events, None)
                if event is None:
                    return False
                if isinstance(event, Progress):
                    bar.waiting(event)
                else:
                    waiting.add(event)
                    bar.say(*waiting.line)
        return True

    # --- how it looks -----------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        report = job_reports.job_report(self._known())
        return {"text/plain": report.text(), "text/html": report.html()}

    def __repr__(self) -> str:
        info = self._known()
        loss = f", loss {job_reports.number(info.loss)}" if info.loss is not None else ""
        return (
            f"<Job {info.name}: {job_reports.short_state(info)}, step {job_reports.step_text(info, bar=False)}{loss}>"
        )

    def _known(self) -> JobInfo:
        """Return the job as it is, or where nobody can tell as it was."""
        with contextlib.suppress(GptNotebookError):
            return self.status
        return self._info


@contextlib.contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """End the calls of this block quietly after some seconds."""
    if seconds is None:
        yield
        return
    cancellation = Cancellation()
    timer = threading.Timer(seconds, cancellation.cancel)
    timer.daemon = True
    timer.start()
    try:
        with cancellation.covering():
            yield
    except RequestCancelled:
        if not cancellation.cancelled:
            raise
    finally:
        timer.cancel()


def _question(info: JobInfo) -> str:
    """Return what to ask before a job is deleted, with all that would be gone."""
    kept = counted(len(info.checkpoints), "checkpoint") if info.checkpoints else ""
    what = f", its {kept} and {job_reports.made(info)}" if kept else ", which has no checkpoint"
    return f"Delete the job {info.name} ({info.state}){what}?"


def _failure(info: JobInfo) -> str:
    reason = info.message or job_reports.REASONS.get(info.reason or "", "") or "it gave no reason"
    kept = f"; {info.result} has what it had made" if info.result else ""
    return f"{info.name} failed at step {info.step}: {reason}{kept}; its log is {info.directory}/log.txt"


def _words(command: CommandName, value: float | None) -> str:
    return command if value is None else f"set {command.replace('_', ' ')} to {value:g}"
