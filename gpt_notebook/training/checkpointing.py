"""What is kept of a training: checkpoints, which of them is the best, and the name under which others find the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from gpt_notebook.job_files import publishing
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import CheckpointPruned, CheckpointSaved, JobOptions, Noted
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

    def acknowledge(self, known: set[int]) -> None:
        """Acknowledge what was saved by an attempt that died before it could say so."""
        for each in self._checkpoints.infos():
            if each.step not in known:
                self._say_saved(each.step, each.bytes, each.digest, seconds=0.0, loss=None)

    def save(self, step: int, write: Callable[[Path], None], validations: Mapping[int, float]) -> None:
        """Save a step, unless that is done already, and let older ones go.

        Args:
            step: How many have been done.
            write: Writes the checkpoint into an empty directory.
            validations: The losses of all validations so far, by step.

        Raises:
            OSError: such as a full disk; what there was is untouched.
        """
        if step in (0, self.saved_step):
            return

        def write_or_say_why(place: Path) -> None:
            with saying_why(place):
                write(place)

        began = time.perf_counter()
        saved = self._checkpoints.save(step, write_or_say_why)
        seconds = time.perf_counter() - began
        self._say_saved(saved.step, saved.bytes, saved.digest, seconds=seconds, loss=validations.get(step))
        self.saved_step, self.resume_from = step, self._checkpoints.path(step)
        self._choose(validations)

    def distrust(self) -> None:
        """Go on from the checkpoint before the newest, if there is one: the step after the newest comes out as no number."""
        earlier = (step for step in reversed(self._checkpoints.steps()) if step < self.saved_step)
        step = next((step for step in earlier if self._checkpoints.verify(step, resume=True)), None)
        if step is None:
            return
        self._checkpoints.let_go(self.saved_step)
        self._journal.write(CheckpointPruned, step=self.saved_step, gone=False)
        self.saved_step, self.resume_from = step, self._checkpoints.path(step)

    def _say_saved(self, step: int, size: int, digest: str, *, seconds: float, loss: float | None) -> None:
        self._journal.write(CheckpointSaved, step=step, bytes=size, digest=digest, seconds=seconds, loss=loss)
        try:
            publishing.publish(self._directory, self._options.method, step)
        except FileExistsError as error:
            if not self._is_published:
                text = f"the result cannot be found by its name: {error}; export it, or rename the job"
                self._journal.write(Noted, message=text, step=step)
        self._is_published = True

    def _choose(self, validations: Mapping[int, float]) -> None:
        """Say which step is the best, and let the resume state of the others go; of whole models everything."""
        there = self._checkpoints.steps()
        ranked = sorted((loss, step) for step, loss in validations.items() if step in there)
        whole = self._options.method == "full"
        best = [step for _, step in ranked[: self._options.keep_best]]
        if ranked and not (whole and not best):
            self._directory.write_best(ranked[0][1])
        for step in self._checkpoints.prune(keep_last=self._options.keep_last, best=best, whole=whole):
            self._journal.write(CheckpointPruned, step=step, gone=whole)
