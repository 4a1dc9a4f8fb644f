"""What happens between two steps: events, commands, validations, probes and checkpoints."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import transformers

from gpt_notebook.job_events import Probed, StepDone, Validated
from gpt_notebook.job_files.commands import Command
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.training import memory, random_state
from gpt_notebook.training.checkpointing import Checkpointer
from gpt_notebook.training.control import Control
from gpt_notebook.training.measures import Measured
from gpt_notebook.training.outcome import ENDINGS, PAUSED, Leaving, Outcome
from gpt_notebook.training.past import Past
from gpt_notebook.training.planning.recipe import Recipe
from gpt_notebook.training.schedule import Plan

if TYPE_CHECKING:
    from gpt_notebook.training.trainer import JobTrainer


@dataclass(frozen=True, kw_only=True)
class AttemptParts:
    """What is the same for all trainers of an attempt."""

    options: JobOptions
    recipe: Recipe
    plan: Plan
    past: Past
    journal: Journal
    control: Control
    checkpointer: Checkpointer
    leave: threading.Event
    """Set when the process has to go, and soon."""
    measure: Callable[..., Measured] | None
    """Measures the model on the validation data, `micro_batch_size` samples at a time; calls what it is given now and then.
    None: there are none."""
    probe: Callable[[int], Iterator[str]]
    """Gives what follows each probe, from one on."""


class StepCallback(transformers.TrainerCallback):  # type: ignore[misc]
    """Is called by the trainer around each step."""

    def __init__(self, parts: AttemptParts, *, micro_batch_size: int) -> None:
        """Begin, with what its trainer alone has; `trainer` has to be set before the training begins."""
        self._parts = parts
        self._micro_batch_size = micro_batch_size
        self.trainer: JobTrainer
        self._in_update = False
        self._random: dict[str, Any] | None = None
        self._began = 0.0

    # --- called by transformers -----------------------------------------------------------------------------------

    def on_train_begin(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Measure where the training starts, and do what an attempt that died had left to do after its last step."""
        self._random = random_state.captured(self.trainer.device)
        self.trainer.lr_scheduler.refresh()
        self._look_around()

    def on_pre_optimizer_step(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Remember that the weights are being changed."""
        self._in_update = True

    def on_step_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Tell of the step, then look what else there is to do."""
        self._in_update = False
        self._random = random_state.captured(self.trainer.device)
        done = self.trainer.done
        self._parts.journal.write(
            StepDone,
            step=self.step,
            epoch=self.trainer.state.epoch,
            loss=done.loss,
            learning_rate=done.learning_rate,
            grad_norm=done.grad_norm,
            tokens=done.tokens,
            seconds=time.perf_counter() - self._began,
            memory=memory.peak(self.trainer.device),
        )
        self._look_around()

    # --- called by the trainer and the job ------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """How many steps have been done."""
        return int(self.trainer.state.global_step)

    def between_passes(self) -> None:
        """Give up a step that has begun, when the process has to go soon: its samples will be drawn again."""
        if self._parts.leave.is_set():
            self._save()
            raise Leaving(PAUSED)

    @property
    def is_sound(self) -> bool:
        """Whether the weights are those of a whole step."""
        return not self._in_update

    def save_if_sound(self) -> None:
        """Save the last step, when the one after it has failed before it changed anything."""
        if self.is_sound and self._random is not None:
            self._save()

    # --- between two steps ----------------------------------------------------------------------------------------

    def _look_around(self) -> None:
        self.between_passes()
        command = self._parts.control.obey(self.step)
        self.trainer.lr_scheduler.refresh()
        if command is not None and command.command != "stop":
            self._end(command)
        steps = self._parts.plan.max_steps(self.step)
        is_last = self.step >= steps or command is not None
        is_better = self._validate(is_last=is_last)
        patience = self._parts.options.early_stopping
        is_early = patience is not None and self._worse_in_a_row() >= patience
        is_last = is_last or is_early
        if is_last or is_better or self.step % self._parts.recipe.save_every == 0:
            self._save()
        self._probe(is_last=is_last)
        if command is not None:
            self._end(command)
        if is_early and self.step < steps:
            text = f"no validation was better than that after step {self._best_step()}"
            raise Leaving(Outcome(state="succeeded", reason="early_stopping", message=text))
        if is_last:
            raise Leaving(Outcome(state="succeeded"))
        self._began = time.perf_counter()

    def _end(self, command: Command) -> None:
        """Obey a command to end.

        Raises:
            Leaving: always.
        """
        if command.command == "pause":
            self._save()
        self._parts.control.acknowledge(command, self.step)
        raise Leaving(ENDINGS[command.command])

    def _validate(self, *, is_last: bool) -> bool:
        """Validate if it is time, and return whether the model is better than ever, and than it was in the beginning."""
        parts, losses, step = self._parts, self._parts.past.validations, self.step
        # Without any, as on samples that were forced on the job, there would be nothing to be better than.
        is_due = is_last or not losses or step % parts.recipe.validate_every == 0
        if parts.measure is None or step in losses or not is_due:
            return False
        began = time.perf_counter()
        measured = parts.measure(self.between_passes, micro_batch_size=self._micro_batch_size)
        is_best = all(measured.loss < loss for loss in losses.values())
        losses[step] = measured.loss if math.isfinite(measured.loss) else math.inf
        parts.journal.write(
            Validated,
            step=step,
            loss=measured.loss,
            perplexity=measured.perplexity,
            accuracy=measured.accuracy,
            tokens=measured.tokens,
            seconds=time.perf_counter() - began,
            best=is_best,
            measured_on=parts.past.measured_on,
        )
        return is_best

    def _worse_in_a_row(self) -> int:
        """Return how many validations there were since the best one."""
        losses = self._parts.past.validations
        return sum(step > self._best_step() for step in losses) if losses else 0

    def _best_step(self) -> int:
        losses = self._parts.past.validations
        return min(losses, key=lambda step: (losses[step], step))

    def _probe(self, *, is_last: bool) -> None:
        parts, step = self._parts, self.step
        first = parts.past.probed.get(step, 0)
        is_due = is_last or step % parts.recipe.probe_every == 0
        if not is_due or first >= len(parts.options.probes):
            return
        for index, text in enumerate(parts.probe(first), start=first):
            parts.journal.write(Probed, step=step, index=index, prompt=parts.options.probes[index], text=text)
            parts.past.probed[step] = index + 1
            self.between_passes()

    def _save(self) -> None:
        if self._random is not None:
            random_state.restore(self._random, self.trainer.device)
        self._parts.checkpointer.save(self.step, self.trainer.write_checkpoint, self._parts.past.validations)
