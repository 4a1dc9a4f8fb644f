"""How far a job is, and all that is told of it in one answer."""

from __future__ import annotations

import dataclasses
from array import array
from bisect import bisect_right
from collections import deque
from typing import Any

from gpt_notebook import adapter_places
from gpt_notebook.job_events import (
    CheckpointSaved,
    CommandDone,
    JobEvent,
    MemoryShort,
    Prepared,
    Recorded,
    StateChanged,
    StepDone,
    Validated,
)
from gpt_notebook.job_files import commands, journal, lock
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import JobDirectory, JobSpec
from gpt_notebook.job_protocol import ENDED, CheckpointInfo, JobInfo, JobState, Reason

RECENT_STEPS = 20
"""Steps over which a speed is taken."""


class Progress:
    """How far a job is, summed up from its events without keeping them."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.state: JobState = "queued"
        self.reason: Reason | None = None
        self.message: str | None = None
        self.number = 0
        """Of the last event."""
        self.attempt = 0
        self.step = 0
        self.max_steps: int | None = None
        self.learning_rate: float | None = None
        """Of the last step, or what it was set to since."""
        self.last_command = 0
        """The number of the last command that was acknowledged."""
        self.chosen: dict[str, Any] = {}
        """What the last attempt chose, with what commands have changed."""
        self._prepared: dict[str, Any] = {}
        """The same without what commands have changed."""
        self.validations: dict[int, float] = {}
        """Losses by step, all on the same samples."""
        self._measured_on: str | None = None
        self.started: float | None = None
        self._time: float | None = None
        self._changed: float | None = None
        self._saved: dict[int, float] = {}
        """The losses that checkpoints were acknowledged with."""
        # Of every step that counts; arrays, as a model kernel has one for each of its jobs.
        self._steps, self._epochs, self._losses = array("q"), array("d"), array("d")
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT_STEPS)
        """Tokens and seconds."""

    def add(self, event: JobEvent) -> None:
        """Take one more."""
        if isinstance(event, Recorded):
            self.number, self.attempt, self._time = event.number, event.attempt, event.time
        match event:
            case StepDone():
                self._add_step(event)
            case StateChanged():
                self._change_state(event)
            case Prepared():
                self._go_back(event.step)
                self.max_steps = event.max_steps
                self._choose(event.chosen)
            case MemoryShort():
                self._go_back(event.step)
                self.chosen["micro_batch_size"] = event.micro_batch_size
            case Validated():
                self._add_validation(event)
            case CheckpointSaved() if event.loss is not None:
                self._saved[event.step] = event.loss
            case CommandDone():
                self._add_command(event)
            case _:
                pass

    def info(self, directory: JobDirectory, spec: JobSpec, *, running: bool) -> JobInfo:
        """Return the job as it is now; `running` is whether somebody holds its lock."""
        state, reason, message = self.state, self.reason, self.message
        ended = self._changed if state in ENDED else None
        if state == "running" and not running:
            state, reason, ended = "failed", "died", self._time
            message = "its process has gone without a word: start it again, and it goes on from its newest checkpoint"
        holder = lock.holder(directory) if running else None
        best = directory.best_step()
        checkpoints = tuple(self._described(each, best) for each in Checkpoints(directory).infos())
        tokens, seconds = (sum(values) for values in zip(*self._recent, strict=True)) if self._recent else (0, 0.0)
        left = None if self.max_steps is None or not self._recent else max(0, self.max_steps - self.step)
        return JobInfo(
            id=spec.id,
            name=directory.name,
            model=spec.request.model,
            state=state,
            reason=reason,
            message=message,
            options=spec.request.options,
            columns=dict(spec.request.columns),
            chosen=dict(self.chosen),
            result=_result(directory, spec) if checkpoints else None,
            directory=str(directory.path),
            pid=None if holder is None else holder.pid,
            attempt=self.attempt,
            step=self.step,
            max_steps=self.max_steps,
            epoch=self._epochs[-1] if self._epochs else 0.0,
            loss=self._losses[-1] if self._losses else None,
            learning_rate=self.learning_rate,
            validation_loss=self.validations[max(self.validations)] if self.validations else None,
            best_step=best,
            checkpoints=checkpoints,
            tokens_per_second=tokens / seconds if seconds > 0 else None,
            seconds_left=seconds / len(self._recent) * left if state == "running" and left is not None else None,
            created=spec.created,
            started=self.started,
            ended=ended,
        )

    def _change_state(self, event: StateChanged) -> None:
        self.state, self.reason, self.message = event.state, event.reason, event.message
        self._changed = event.time
        if self.started is None and event.state == "running":
            self.started = event.time
        if event.state == "queued":
            self.learning_rate = None  # It may go on with another.
            if self.max_steps is not None and self.step >= self.max_steps:
                self.max_steps = None  # It goes on beyond its end; how far, it says when it has begun.

    def _add_step(self, event: StepDone) -> None:
        if event.step <= self.step:
            self._go_back(event.step - 1)
        self.step = event.step
        self.learning_rate = event.learning_rate
        self._steps.append(event.step)
        self._epochs.append(event.epoch)
        self._losses.append(event.loss)
        self._recent.append((event.tokens, event.seconds))

    def _add_validation(self, event: Validated) -> None:
        if event.measured_on not in (None, self._measured_on):
            if self._measured_on is not None:
                # Losses on other samples tell nothing of which is the better one.
                self.validations.clear()
                self._saved.clear()
            self._measured_on = event.measured_on
        if event.loss is not None:
            self.validations[event.step] = event.loss

    def _choose(self, chosen: dict[str, Any]) -> None:
        """Take what an attempt chose; what commands have set holds, unless something else is asked for now."""
        overruled = commands.overruled(self._prepared, chosen)
        held = {name: self.chosen[name] for name in commands.SETTINGS if name in self.chosen and name not in overruled}
        self.chosen |= chosen | held
        self._prepared = chosen

    def _add_command(self, event: CommandDone) -> None:
        self.last_command = max(self.last_command, event.command_number)
        if event.obeyed and event.command == "learning_rate":
            self.chosen["learning_rate"] = self.learning_rate = event.value
        elif event.obeyed and event.command == "max_steps" and event.value is not None:
            self.max_steps = self.chosen["max_steps"] = int(event.value)

    def _go_back(self, step: int) -> None:
        """Let what came after a step not count any more."""
        self.step = step
        left = bisect_right(self._steps, step)
        del self._steps[left:], self._epochs[left:], self._losses[left:]
        self.validations = {each: loss for each, loss in self.validations.items() if each <= step}
        self._recent.clear()

    def _described(self, checkpoint: CheckpointInfo, best: int | None) -> CheckpointInfo:
        step = checkpoint.step
        loss = self.validations.get(step, self._saved.get(step))
        return dataclasses.replace(checkpoint, loss=loss, best=step == best)


def _result(directory: JobDirectory, spec: JobSpec) -> str:
    """Return the model string of what a job makes."""
    if spec.request.options.method == "full":
        return directory.name
    base, _ = adapter_places.split(spec.request.model)
    return f"{base}+{directory.name}"


def progress(directory: JobDirectory) -> Progress:
    """Return how far a job is, by all of its events."""
    summed_up = Progress()
    for event in journal.read(directory.events):
        summed_up.add(event)
    return summed_up


def state(directory: JobDirectory, *, running: bool) -> JobState:
    """Return the state of a job, without reading what else has happened: one that nobody runs any more has died."""
    last: JobState = "queued"
    for event in journal.read_only(directory.events, StateChanged):
        last = event.state
    return "failed" if last == "running" and not running else last


def info(directory: JobDirectory, *, running: bool) -> JobInfo:
    """Return a job as it is now: one that is running by its events and not `running`, as nobody holds its lock, has died.

    `position` is left out: only who queues jobs knows it.

    Raises:
        JobNotFound: there is no job.
    """
    return progress(directory).info(directory, directory.spec(), running=running)
