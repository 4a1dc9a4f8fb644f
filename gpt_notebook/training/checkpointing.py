"""What is kept of a training: checkpoints, which of them is the best, and the name under which others find the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from gpt_notebook.job_events import CheckpointPruned, CheckpointSaved, Noted
from gpt_notebook.job_files import publishing
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.training.outcome import saying_why


class Checkpointer:
    """Saves the checkpoints of a job, one by one; each is acknowledged before an older one is let go."""

    def __init__(self, directory: JobDirectory, journal: Journal, options: JobOptions) -> None:
        """Finish or remove what a dead attempt has left."""
        self._directory = directory
        self._journal = journal
        self._options = options
        self._checkpoints = Checkpoints(directory)
        self._checkpoints.clean()
        self._is_published = False
        newest = self._checkpoints.newest()
        self.resume_from: Path | None = newest
        """The checkpoint to go on from."""
        self.saved_step = int(newest.name) if newest else 0
        """The step of the newest checkpoint that can be gone on from."""

    def make_up(self, known: Collection[int], validations: Mapping[int, float]) -> None:
        """Do what an attempt left that ended between saving a checkpoint and saying so, or before others could find it.

        Args:
            known: The steps that were acknowledged.
            validations: As for `save`.
        """
        for saved in self._checkpoints.infos():
            if saved.step not in known:
                loss = validations.get(saved.step)
                self._say_saved(saved.step, saved.bytes, saved.digest, seconds=0.0, loss=loss)
        if self.saved_step:
            self._publish(self.saved_step)
        self._name_best(self._ranked(validations))

    def save(self, step: int, write: Callable[[Path], None], validations: Mapping[int, float]) -> None:
        """Save a step, unless that is done already, let older ones go, and say which is the best.

        Args:
            step: How many have been done.
            write: Writes the checkpoint into an empty directory.
            validations: The losses of all validations so far, by step.

        Raises:
            OSError: such as a full disk; what there was is untouched.
        """
        if step == 0:
            return
        if step == self.saved_step:
            self._name_best(self._ranked(validations))
            return

        def write_or_say_why(place: Path) -> None:
            with saying_why(place):
                write(place)

        began = time.perf_counter()
        saved = self._checkpoints.save(step, write_or_say_why)
        seconds = time.perf_counter() - began
        # It is there, whatever fails from now on.
        self.saved_step, self.resume_from = step, self._checkpoints.path(step)
        self._say_saved(saved.step, saved.bytes, saved.digest, seconds=seconds, loss=validations.get(step))
        self._publish(step)
        self._choose(validations)

    def distrust(self) -> None:
        """Go on from the checkpoint before the newest, if there is one: the step after the newest comes out as NaN."""
        earlier = (step for step in reversed(self._checkpoints.steps()) if step < self.saved_step)
        step = next((step for step in earlier if self._checkpoints.verify(step, resume=True)), None)
        if step is None:
            return
        self._checkpoints.let_go(self.saved_step)
        self._journal.write(CheckpointPruned, step=self.saved_step, gone=False)
        self.saved_step, self.resume_from = step, self._checkpoints.path(step)

    def _say_saved(self, step: int, size: int, digest: str, *, seconds: float, loss: float | None) -> None:
        self._journal.write(CheckpointSaved, step=step, bytes=size, digest=digest, seconds=seconds, loss=loss)

    def _publish(self, step: int) -> None:
        """Let others find the result; where something else has its name, say so once."""
        try:
            publishing.publish(self._directory, self._options.method, step)
        except FileExistsError as error:
            if not self._is_published:
                text = f"the result cannot be found by its name: {error}; export it, or rename the job"
                self._journal.write(Noted, message=text, step=step)
        self._is_published = True

    def _choose(self, validations: Mapping[int, float]) -> None:
        """Say which step is the best, and let the resume state of the others go; of whole models everything."""
        ranked = self._ranked(validations)
        self._name_best(ranked)
        best, whole = ranked[: self._options.keep_best], self._options.method == "full"
        for step in self._checkpoints.prune(keep_last=self._options.keep_last, best=best, whole=whole):
            self._journal.write(CheckpointPruned, step=step, gone=whole)

    def _ranked(self, validations: Mapping[int, float]) -> list[int]:
        """Return the steps that were measured and are there, the best first."""
        there = self._checkpoints.steps()
        return sorted((step for step in validations if step in there), key=lambda step: (validations[step], step))

    def _name_best(self, ranked: Sequence[int]) -> None:
        # Of whole models only as many of the best are kept as was asked for.
        if ranked and (self._options.method != "full" or self._options.keep_best):
            self._directory.write_best(ranked[0])
