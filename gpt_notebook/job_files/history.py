"""What has happened in a job, each step once.

An attempt goes on from a checkpoint, and so does again what the one before it had done since then; after a lack of memory
an attempt does so itself. Whoever reads the events in their order sees such steps twice: here the later ones count, and
what had come of the earlier ones (validations, probes, checkpoints) goes with them. What people were told (states, notes,
commands) stays.
"""

from __future__ import annotations

import dataclasses
import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from gpt_notebook import adapter_places
from gpt_notebook.job_files import journal, lock
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import JobDirectory, JobSpec
from gpt_notebook.job_protocol import (
    ENDED,
    CheckpointInfo,
    CheckpointSaved,
    CommandDone,
    JobEvent,
    JobInfo,
    JobState,
    MemoryShort,
    Prepared,
    Probed,
    Reason,
    Recorded,
    StateChanged,
    StepDone,
    Validated,
)

RECENT_STEPS = 20
"""Steps over which a speed is taken."""


def counted(events: Iterable[JobEvent], *, kept: Callable[[int], bool] | None = None) -> list[JobEvent]:
    """Return those events that count.

    Args:
        events: In their order.
        kept: Whether the checkpoint of a step is still there, though the job has gone on from an earlier one.
    """
    history = History(kept=kept)
    for event in events:
        history.add(event)
    return history.events


class History:
    """The events that count, as they come."""

    def __init__(self, *, kept: Callable[[int], bool] | None = None) -> None:
        """Begin with none; `kept` as for `counted`."""
        self.events: list[JobEvent] = []
        self._kept = kept
        self._known: set[tuple[Any, ...]] = set()
        """What may be there once only, of the events that count."""
        self._latest = 0
        """No event that could go is of a later step."""

    def add(self, event: JobEvent) -> None:
        """Take one more; afterwards `events` may be shorter than before."""
        if isinstance(event, Prepared | MemoryShort):
            self._go_back(event.step)
        key = _key(event)
        if key is not None:
            if key in self._known:
                self._forget(key)
            self._known.add(key)
            self._latest = max(self._latest, key[1])
        self.events.append(event)

    def _go_back(self, step: int) -> None:
        """Let what came after a step not count any more."""
        if step < self._latest:
            self._keep_if(lambda key: key[1] <= step or (key[0] == "checkpoint" and self._is_kept(key[1])))
            self._latest = max((key[1] for key in self._known), default=0)

    def _forget(self, again: tuple[Any, ...]) -> None:
        """Let go of what has come again; with a step goes all that came after it."""
        if again[0] == StepDone.type:
            self._go_back(again[1] - 1)
        else:
            self._keep_if(lambda key: key != again)

    def _keep_if(self, counts: Callable[[tuple[Any, ...]], bool]) -> None:
        self.events = [each for each in self.events if (key := _key(each)) is None or counts(key)]
        self._known = {key for key in self._known if counts(key)}

    def _is_kept(self, step: int) -> bool:
        return self._kept is not None and self._kept(step)


def _key(event: JobEvent) -> tuple[Any, ...] | None:
    """Return what there may be only one of: (what, step, …); None for what always stays."""
    match event:
        case StepDone() | Validated() | CheckpointSaved():
            return (event.type, event.step)
        case Probed():
            return (event.type, event.step, event.index)
        case _:
            return None


class Progress:
    """How far a job is: the same, without keeping its events."""

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
        self.last_command = 0
        """The number of the last command that was acknowledged."""
        self.chosen: dict[str, Any] = {}
        """What the last attempt chose, with what commands have changed."""
        self._prepared: dict[str, Any] = {}
        """The same without what commands have changed."""
        self.validations: dict[int, float] = {}
        """Losses by step."""
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
                self.state, self.reason, self.message = event.state, event.reason, event.message
                self._changed = event.time
                if self.started is None and event.state == "running":
                    self.started = event.time
            case Prepared():
                self._go_back(event.step)
                self.max_steps = event.max_steps
                self._choose(event.chosen)
            case MemoryShort():
                self._go_back(event.step)
                self.chosen["micro_batch_size"] = event.micro_batch_size
            case Validated() if event.loss is not None:
                self.validations[event.step] = event.loss
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
            loss=self._losses[-1] if self._losses and math.isfinite(self._losses[-1]) else None,
            validation_loss=self.validations[max(self.validations)] if self.validations else None,
            best_step=best,
            checkpoints=checkpoints,
            tokens_per_second=tokens / seconds if seconds > 0 else None,
            seconds_left=seconds / len(self._recent) * left if state == "running" and left is not None else None,
            created=spec.created,
            started=self.started,
            ended=ended,
        )

    def _add_step(self, event: StepDone) -> None:
        if event.step <= self.step:
            self._go_back(event.step - 1)
        self.step = event.step
        self._steps.append(event.step)
        self._epochs.append(event.epoch)
        # A loss that was no number is None in its event.
        self._losses.append(math.nan if event.loss is None else event.loss)
        self._recent.append((event.tokens, event.seconds))

    def _choose(self, chosen: dict[str, Any]) -> None:
        """Take what an attempt chose; what commands have changed stays, unless something else is asked for now."""
        for name, value in chosen.items():
            if name not in ("learning_rate", "max_steps") or self._prepared.get(name) != value:
                self.chosen[name] = value
        self._prepared = chosen

    def _add_command(self, event: CommandDone) -> None:
        self.last_command = max(self.last_command, event.command_number)
        if event.obeyed and event.command == "learning_rate":
            self.chosen["learning_rate"] = event.value
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
    found = Progress()
    for event in journal.read(directory.events):
        found.add(event)
    return found


def info(directory: JobDirectory, *, running: bool) -> JobInfo:
    """Return a job as it is now: one that is running by its events and not `running`, as nobody holds its lock, has died.

    `position` is left out: only who queues jobs knows it.

    Raises:
        JobNotFound: there is no job.
    """
    return progress(directory).info(directory, directory.spec(), running=running)
