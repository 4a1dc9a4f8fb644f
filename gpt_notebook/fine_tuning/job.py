"""A fine-tuning job as a notebook sees it: how far it is, what it can be told, what it has made.

A `Job` is a name for something that lives elsewhere, in a process of its own and a directory. It goes on without the
notebook, and without the model kernel; any notebook of the user gets it again with `gpt.job(name)`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self, cast, get_args

from gpt_notebook import arguments
from gpt_notebook.asking import agreed
from gpt_notebook.display import job_reports, progress
from gpt_notebook.errors import (
    GptNotebookError,
    JobError,
    JobFailed,
    JobInUse,
    JobNotFound,
    JobUnfinished,
    WaitInterrupted,
)
from gpt_notebook.fine_tuning import job_words, telling, trained_columns
from gpt_notebook.fine_tuning import metrics as job_metrics
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.fine_tuning.curve import Curve
from gpt_notebook.fine_tuning.drawn import drawn
from gpt_notebook.fine_tuning.waiting import Waiting, limited
from gpt_notebook.job_events import JobEvent, Recorded
from gpt_notebook.job_files import history
from gpt_notebook.job_protocol import (
    COLUMNS,
    ENDED,
    CheckpointInfo,
    CommandName,
    ForgetRequest,
    JobInfo,
    JobState,
)
from gpt_notebook.next_action import NextAction
from gpt_notebook.protocol import Progress
from gpt_notebook.session import session

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from gpt_notebook.evaluation.result import Evaluation
    from gpt_notebook.widgets.fine_tuning import FineTuningPanel

RETRY_SECONDS = 0.1
STATES: tuple[JobState, ...] = get_args(JobState)


class Job:
    """A fine-tuning job; what it tells is as it is at that moment."""

    def __init__(self, info: JobInfo) -> None:
        """Be the job of this id, under whatever name it goes."""
        self.id = info.id
        """Stays, also when the name changes."""
        self._info = info
        self._record = job_records.Record(info.id, name=info.name)

    # --- how it is --------------------------------------------------------------------------------------------------

    @property
    def status(self) -> JobInfo:
        """Everything that is known of it, as it is now."""
        self._info = job_records.latest(self._info)
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

        Raises:
            WaitInterrupted: the user interrupted while it waited for more; the job goes on.
        """
        return self._following() if follow else iter(self._record.refresh())

    def _following(self) -> Iterator[JobEvent]:
        try:
            with contextlib.closing(self._record.following(after=0)) as events:
                for event in events:
                    if isinstance(event, Recorded):
                        yield cast("JobEvent", event)
        except KeyboardInterrupt as error:
            raise WaitInterrupted(self._info.name) from error

    def metrics(self) -> Any:
        """Return its numbers by step, and those of the validations.

        Returns:
            A DataFrame, or where pandas isn't installed a list of dicts, with a row for each step: `step`, `epoch`, `loss` (nats
            a token), `learning_rate`, `grad_norm`, `tokens` (that were computed in it), `seconds` (that it took) and
            `memory` (bytes that the process, or on a GPU its tensors, had at most so far); where there was a validation also `validation_loss` (nats
            a token), `perplexity` and `accuracy` (a share of the tokens).
        """
        columns = (*job_metrics.STEP_COLUMNS, *job_metrics.VALIDATION_COLUMNS)
        return job_metrics.as_table(job_metrics.metrics(self._counted()), columns)

    def samples(self) -> Any:
        """Return what it made of each probe, by step; a table as `metrics` gives it."""
        return job_metrics.as_table(job_metrics.samples(self._counted()), job_metrics.SAMPLE_COLUMNS)

    def figure(self, *others: Job | str) -> Figure:
        """Return a Plotly figure of its losses, of the validations and the best of them, and of its learning rate.

        Args:
            *others: Jobs, or their names, that are drawn as well.

        Raises:
            InvalidRequest: Plotly is not installed.
            JobNotFound: there is no job of a name; says which was probably meant.
        """
        from gpt_notebook.figures.loss_figure import loss_figure

        jobs = [Job(job_records.find(each)) if isinstance(each, str) else each for each in others]
        info = self.status
        title = f"{info.name} on {info.model}"
        curves, *beside = [drawn(Curve.of(each.events()), each.status) for each in (self, *jobs)]
        return loss_figure(curves, title=title, others=beside)

    def panel(self, **state: Any) -> FineTuningPanel:
        """Return a panel to watch it, to steer it and to try what it has made; see `gpt.FineTuningPanel`.

        Args:
            **state: What to show at first, such as `tab="probes"` or `smoothing=0.8`.
        """
        from gpt_notebook.widgets.fine_tuning import FineTuningPanel

        return FineTuningPanel(self, **state)

    def evaluate(self, data: Any, **options: Any) -> Evaluation:
        """Measure what it has made on data, with the arguments of `gpt.evaluate`, such as `metric=`.

        Columns and templates are those of its training, unless some are given; so are `chat`, `max_length` and `too_long`, so that
        its numbers can be compared with those of the validations.

        Raises:
            JobError: it has made nothing yet.
            InvalidRequest: the data lack a column of its training, and none is given instead.
            GptNotebookError: as `gpt.evaluate` raises it.
        """
        from gpt_notebook.evaluation import functions as evaluation

        info = self.status
        if info.result is None:
            message = f"{info.name} has no checkpoint yet: wait for the first"
            raise JobError(message, next_action=NextAction("wait", info.name))
        columns = {} if any(options.get(name) is not None for name in COLUMNS) else info.columns
        if columns:
            data = list(data) if isinstance(data, Iterator) else data
            trained_columns.refuse_others(info, data)
        trained = {
            "chat": info.options.chat,
            "max_length": info.chosen.get("max_length", info.options.max_length),
            "too_long": info.options.too_long,
        }
        return evaluation.evaluate(info.result, data, **{**trained, **options, **columns})

    def _counted(self) -> list[JobEvent]:
        return history.counted(self._record.refresh())

    # --- what it can be told ----------------------------------------------------------------------------------------

    def pause(self) -> Self:
        """Save it and give its memory back; `resume` goes on exactly there.

        Raises:
            GptNotebookError: it can't in its state; says what it can.
        """
        return self._tell("pause")

    def resume(self) -> Self:
        """Go on after a pause, or after a failure, from its newest checkpoint.

        Raises:
            GptNotebookError: it can't in its state; says what it can.
        """
        return self._tell("resume")

    def stop(self) -> Self:
        """End it now and keep what it has made.

        Raises:
            GptNotebookError: it can't in its state, as it has ended already.
        """
        return self._tell("stop")

    def cancel(self) -> Self:
        """End it now; nothing more is saved.

        Raises:
            GptNotebookError: it can't in its state, as it has ended already.
        """
        return self._tell("cancel")

    def set_learning_rate(self, learning_rate: float) -> Self:
        """Change the learning rate of the next step, from which the schedule then falls to its end; a warm-up is over.

        Raises:
            GptNotebookError: it is no number above 0, or the job has ended already.
        """
        return self._tell("learning_rate", arguments.number("learning_rate", "float", learning_rate))

    def set_max_steps(self, max_steps: int) -> Self:
        """Change how many steps it has in all.

        Raises:
            GptNotebookError: it is no whole number above 0, the job is beyond it, or it has ended already.
        """
        return self._tell("max_steps", arguments.positive("max_steps", max_steps))

    def delete(self, *, force: bool = False) -> bool:
        """Delete it with its checkpoints and the adapter or the model that it has made; see `gpt.delete_job`.

        Raises:
            GptNotebookError: as `gpt.delete_job` raises it.
        """
        info = self.status
        if info.state == "running" or (info.state == "queued" and info.pid is not None):
            # The model kernel would refuse it, too, but only after a yes.
            message = f"the job {info.name} runs: stop or cancel it first"
            raise JobInUse(message, next_action=NextAction("stop", info.name))
        if not arguments.true_or_false("force", force) and not agreed(job_words.deletion(info), info.name):
            return False
        session.ask(lambda client: client.forget_job(ForgetRequest(job=self.id)))
        return True

    def _tell(self, command: CommandName, value: float | None = None) -> Self:
        record = self._record
        record.refresh()
        obeyed = telling.tell(
            self.id,
            command,
            value,
            after=record.last,
            following=lambda after: record.following(after=after),
            status=lambda: self.status,
        )
        if not obeyed:
            progress.note(telling.late(self._info.name, command, value))
        return self

    # --- waiting ----------------------------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None, *, until: JobState | int | None = None) -> Self:
        """Wait until it has ended or paused, and show how far it is; an interrupt ends the waiting only.

        Args:
            timeout: Seconds; None: as long as it takes.
            until: A state, or a number of steps, that is enough.

        Raises:
            JobFailed: it has failed; says why.
            JobNotFound: it has been deleted.
            JobUnfinished: it has not come so far in time.
            WaitInterrupted: the user interrupted; the job goes on.
        """
        if isinstance(until, str):
            arguments.one_of("until", until, STATES)
        elif until is not None:
            until = arguments.positive("until", until)
        known = self._known() or self.status  # which says that it is gone
        name, queued = known.name, job_reports.short_state(known) if known.state == "queued" else "starting"
        resting: JobInfo | None = None
        try:
            with contextlib.closing(progress.bar(name)) as bar, limited(timeout):
                resting = self._followed(Waiting(name, until, queued=queued), bar)
                if resting is None:
                    return self
        except KeyboardInterrupt as error:
            raise WaitInterrupted(name) from error
        info = resting or self.status
        if info.state == "failed" and until != "failed":
            raise JobFailed(job_words.failure(info))
        if info.state not in (*ENDED, "paused", until):
            what = "ended" if until is None else f"come to {f'step {until}' if isinstance(until, int) else until}"
            message = f"{info.name} has not {what} within {timeout:g} s: it goes on, {job_reports.step_text(info, bar=False)} steps"
            raise JobUnfinished(message)
        if info.state == "paused" and until != "paused":
            progress.note(f"{info.name} is {job_reports.state_text(info)}: resume goes on")
        return self

    def _followed(self, waiting: Waiting, bar: progress.Bar) -> JobInfo | None:
        """Follow the job; return None once it has come to what is waited for, or how it is when it comes no further."""
        seen = 0
        for known in self._record.refresh():
            if isinstance(known, Recorded):
                waiting.add(known)
                seen = known.number
        if not waiting.rests:
            bar.say(*waiting.line)
        while not waiting.enough:
            with contextlib.closing(self._record.following(after=seen)) as events:
                for event in events:
                    if isinstance(event, Recorded):
                        waiting.add(event)
                        bar.say(*waiting.line)
                        seen = event.number
                    elif isinstance(event, Progress):
                        bar.waiting(event)
                    if waiting.enough:
                        return None
            if (info := self.status).state in (*ENDED, "paused"):
                return info
            # Somebody has let it go on since it had paused.
            time.sleep(RETRY_SECONDS)
        return None

    # --- how it looks -----------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        info = self._known()
        report = job_reports.deleted_report(self._info) if info is None else job_reports.job_report(info)
        return {"text/plain": report.text(), "text/html": report.html()}

    def __repr__(self) -> str:
        info = self._known()
        if info is None:
            return f"<Job {self._info.name}: deleted>"
        loss = f", loss {job_reports.number(info.loss)}" if info.loss is not None else ""
        return (
            f"<Job {info.name}: {job_reports.short_state(info)}, step {job_reports.step_text(info, bar=False)}{loss}>"
        )

    def _known(self) -> JobInfo | None:
        """Return the job as it is, or where nobody can tell as it was; None: it has been deleted."""
        try:
            return self.status
        except JobNotFound:
            return None
        except GptNotebookError:
            return self._info
