"""An attempt at a job: from its first word to the event that says how it has ended."""

from __future__ import annotations

import dataclasses
import functools
import threading
import traceback

import torch

from gpt_notebook.errors import GptNotebookError, InvalidRequest
from gpt_notebook.job_events import MemoryShort, Noted, Prepared, StateChanged
from gpt_notebook.job_files import journal as journals
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.shortage import is_out_of_memory
from gpt_notebook.training import base_model, begun_with, memory, preparation
from gpt_notebook.training.checkpointing import Checkpointer
from gpt_notebook.training.control import Control
from gpt_notebook.training.outcome import ENDINGS, PAUSED, Leaving, NotFinite, Outcome, is_disk_full, what_helps
from gpt_notebook.training.past import Past
from gpt_notebook.training.planning import choices
from gpt_notebook.training.schedule import Plan
from gpt_notebook.training.step_callback import AttemptParts, StepCallback
from gpt_notebook.training.trainer import JobTrainer
from gpt_notebook.training.workshop import Workshop
from gpt_notebook.visible_text import visible


def run(directory: JobDirectory, *, device: torch.device, leave: threading.Event) -> Outcome:
    """Go on with a job until it has ended, or is told to leave; returns how it has ended.

    Args:
        directory: The job's, whose lock this process holds.
        device: Where to train.
        leave: Set by others when the process has to go: the job is saved and pauses.
    """
    past = Past.read(journals.read(directory.events))
    attempt = Journal.next_attempt(directory.events)
    with Journal(directory.events, attempt=attempt) as journal:
        return Attempt(directory, journal, past, device=device, leave=leave).run()


class Attempt:
    """One process's part of a job."""

    def __init__(
        self,
        directory: JobDirectory,
        journal: Journal,
        past: Past,
        *,
        device: torch.device,
        leave: threading.Event,
    ) -> None:
        """Begin one."""
        self._directory = directory
        self._journal = journal
        self._past = past
        self._device = device
        self._leave = leave
        self._is_first = not past.chosen
        self._step = 0
        self._keeper: Checkpointer | None = None

    def run(self) -> Outcome:
        """Do it, and say how it has ended."""
        try:
            outcome = self._run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the events have to say so
            outcome = self._outcome_of(error)
        self._journal.write(StateChanged, step=self._step, **dataclasses.asdict(outcome))
        return outcome

    def _run(self) -> Outcome:
        if self._past.last_word is not None:
            return ENDINGS[self._past.last_word.command]
        self._journal.write(StateChanged, state="running", step=self._step)
        spec = self._directory.spec()
        checkpointer = self._keeper = Checkpointer(self._directory, self._journal, spec.request.options)
        self._step = checkpointer.saved_step
        self._past.until(self._step)
        self._past.measure_on(spec.request.measured_on)
        checkpointer.make_up(self._past.saved, self._past.validations)
        begun_with.check(self._directory, spec)
        workshop = preparation.prepare(
            self._directory, self._past, device=self._device, checkpoint=checkpointer.resume_from
        )
        if self._leave.is_set():
            return PAUSED
        plan = self._plan(workshop)
        self._refuse_what_is_done(workshop, plan)
        self._say_prepared(workshop, plan)
        return self._train(workshop, plan, checkpointer)

    def _plan(self, workshop: Workshop) -> Plan:
        """Return the learning rates and the number of steps, with what commands have changed so far."""
        recipe = workshop.recipe
        self._past.begin(recipe.chosen())
        return Plan(
            workshop.options.schedule,
            learning_rate=recipe.learning_rate,
            warmup_steps=recipe.warmup_steps,
            max_steps=recipe.max_steps,
            changes=self._past.changes,
        )

    def _refuse_what_is_done(self, workshop: Workshop, plan: Plan) -> None:
        """Refuse other values that would be said of a training that they had no part in.

        Raises:
            InvalidRequest: says how many steps are done.
        """
        steps, before = plan.max_steps(self._step), workshop.spec.before
        if before and steps <= self._step <= before[-1].until:
            text = f"{self._step} steps are done, and {steps} are asked for: ask for more (max_steps), or give another name"
            raise InvalidRequest(text, param="max_steps")

    def _say_prepared(self, workshop: Workshop, plan: Plan) -> None:
        trainable, total = base_model.parameters(workshop.model)
        training, validation = workshop.training, workshop.validation
        self._journal.write(
            Prepared,
            step=self._step,
            max_steps=plan.max_steps(self._step),
            samples=len(training),
            validation_samples=len(validation) if validation is not None else 0,
            tokens=training.n_tokens,
            counted=training.n_counted,
            cut=training.cut,
            dropped=training.dropped,
            split=training.split,
            trainable=trainable,
            parameters=total,
            chosen=workshop.recipe.chosen(),
            estimate=workshop.estimate,
            threads=torch.get_num_threads(),
            device=str(self._device),
        )
        if self._is_first:
            for text in training.warnings:
                self._journal.write(Noted, message=text, step=self._step)

    def _train(self, workshop: Workshop, plan: Plan, checkpointer: Checkpointer) -> Outcome:
        """Train, with fewer samples at a time each time the memory does not suffice."""
        micro_batch_size, batch_size = workshop.recipe.micro_batch_size, workshop.recipe.batch_size
        control = Control(self._directory, self._journal, plan, last=self._past.last_command)
        validation = workshop.validation
        parts = AttemptParts(
            options=workshop.options,
            recipe=workshop.recipe,
            plan=plan,
            past=self._past,
            journal=self._journal,
            control=control,
            checkpointer=checkpointer,
            leave=self._leave,
            measure=None if validation is None else functools.partial(workshop.measure, validation),
            probe=workshop.probe,
        )
        while True:
            callback = StepCallback(parts, micro_batch_size=micro_batch_size)
            trainer = workshop.trainer(callback, plan, micro_batch_size=micro_batch_size, at=self._directory.path)
            if (outcome := self._train_until_short(trainer, callback, checkpointer)) is not None:
                return outcome
            # Out here nothing holds what the pass had computed when it failed.
            del trainer
            if micro_batch_size == 1:
                callback.save_if_sound()
                return self._short(workshop)
            micro_batch_size = choices.largest_divisor(batch_size, micro_batch_size // 2)
            self._begin_again(workshop, callback, checkpointer)
            self._journal.write(
                MemoryShort,
                step=self._step,
                micro_batch_size=micro_batch_size,
                accumulation=batch_size // micro_batch_size,
            )

    def _train_until_short(
        self, trainer: JobTrainer, callback: StepCallback, checkpointer: Checkpointer
    ) -> Outcome | None:
        """Train until the job ends, or the memory does not suffice: then it returns None."""
        try:
            trainer.train(resume_from_checkpoint=str(checkpointer.resume_from) if checkpointer.resume_from else None)
        except Leaving as leaving:
            return leaving.outcome
        except NotFinite:
            # The weights after a step before may be the cause, so nothing is saved.
            if callback.step == checkpointer.saved_step:
                checkpointer.distrust()
            raise
        except Exception as error:
            if is_out_of_memory(error):
                return None
            if not is_disk_full(error):
                _try_to_save(callback)
            raise
        finally:
            self._step = callback.step
        message = "transformers has ended the training before its time"
        raise RuntimeError(message)

    def _begin_again(self, workshop: Workshop, callback: StepCallback, checkpointer: Checkpointer) -> None:
        """Go back to the last good step: the one that is done, unless the weights were being changed."""
        memory.give_back(self._device)
        if callback.is_sound:
            callback.save_if_sound()
        else:
            workshop.load_again(checkpointer.resume_from)
            self._past.until(checkpointer.saved_step)
        self._step = checkpointer.saved_step

    def _short(self, workshop: Workshop) -> Outcome:
        longest = int(workshop.training.sizes.max())
        return Outcome(
            state="failed",
            reason="oom",
            message=f"the memory does not suffice for one sample of up to {longest:,} tokens: set a smaller max_length, "
            "or the option gradient_checkpointing, or choose a smaller model",
        )

    def _outcome_of(self, error: Exception) -> Outcome:
        """Return how an attempt ends that has failed."""
        saved = self._keeper.saved_step if self._keeper is not None else 0
        last = f"the checkpoint of step {saved} is good" if saved else "there is no checkpoint yet"
        if isinstance(error, NotFinite):
            text = f"after step {self._step} {error}; {what_helps(self._step, saved)}"
            return Outcome(state="failed", reason="not_finite", message=text)
        if is_disk_full(error):
            text = f"the disk of {self._directory.path} is full; {last}: make room there, then resume the job"
            return Outcome(state="paused", reason="disk_full", message=text)
        traceback.print_exception(error)
        if isinstance(error, GptNotebookError):
            return Outcome(state="failed", reason="error", message=error.message)
        if is_out_of_memory(error):
            text = "the memory does not suffice for the model: choose a smaller one, or unload others (%gpt unload)"
            return Outcome(state="failed", reason="oom", message=text)
        line = " ".join(str(error).split())[:300]
        text = f"{type(error).__name__}: {line}; {last}; {self._directory.log} has more"
        return Outcome(state="failed", reason="error", message=visible(text))


def _try_to_save(callback: StepCallback) -> None:
    """Save the last good step of a training that has failed, if that is possible."""
    try:
        callback.save_if_sound()
    except Exception:  # noqa: BLE001 - what failed first is what is told
        traceback.print_exc()
