"""How far a job is, by the events that come, without the past that a curve has already."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from gpt_notebook.job_files import job_progress

if TYPE_CHECKING:
    from gpt_notebook.job_events import StepDone
    from gpt_notebook.job_protocol import JobInfo


class Present(job_progress.Progress):
    """How far a job is now; after it has gone back, its loss is known again with the next step."""

    def brought_up(self, info: JobInfo) -> JobInfo:
        """Return what was known of a job, with what the steps since then have changed: no file is read for that."""
        tokens, seconds = (sum(values) for values in zip(*self._recent, strict=True)) if self._recent else (0, 0.0)
        left = None if self.max_steps is None or not self._recent else max(0, self.max_steps - self.step)
        is_running = info.state == "running"
        return dataclasses.replace(
            info,
            step=self.step,
            max_steps=self.max_steps,
            epoch=self._epochs[-1] if self._epochs else info.epoch,
            loss=self._losses[-1] if self._losses else None,
            learning_rate=self.learning_rate,
            validation_loss=self.validations[max(self.validations)] if self.validations else None,
            tokens_per_second=tokens / seconds if seconds > 0 else None,
            seconds_left=seconds / len(self._recent) * left if is_running and left is not None else None,
        )

    def _add_step(self, event: StepDone) -> None:
        super()._add_step(event)
        del self._steps[:-1], self._epochs[:-1], self._losses[:-1]
