"""The learning rate of every step, and how many steps there are: a pure function of what was asked for and when.

What a command changes is a `Change` at the step after which it was obeyed. So a job that died, and does some steps again,
does them with the rates that it had then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch.optim.lr_scheduler import LRScheduler

from gpt_notebook.job_protocol import Schedule


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a command has changed, for all steps after `step`."""

    step: int
    learning_rate: float | None = None
    max_steps: int | None = None


class Plan:
    """How the learning rate rises in the first steps, falls until the last one, and what has been changed since."""

    def __init__(
        self,
        schedule: Schedule,
        *,
        learning_rate: float,
        warmup_steps: int,
        max_steps: int,
        changes: Iterable[Change] = (),
    ) -> None:
        """Keep what was asked for, and the changes in the order in which they came."""
        self._schedule = schedule
        self._warmup_steps = warmup_steps
        self._first = Change(step=0, learning_rate=learning_rate, max_steps=max_steps)
        self._changes = list(changes)

    def change(self, change: Change) -> None:
        """Take one more change."""
        self._changes.append(change)

    def max_steps(self, done: int) -> int:
        """Return how many steps there are to be, as it is known after `done` of them."""
        known = [change.max_steps for change in self._until(done) if change.max_steps is not None]
        return known[-1]

    def rate(self, done: int) -> float:
        """Return the learning rate of the step after `done` steps.

        It rises in equal parts over the warm-up, from the first step on above 0. A rate that a command sets is that of
        the next step, and falls from there. When the end moves, the rate is what it would be had it always been there.
        """
        since = [change for change in self._until(done) if change.learning_rate is not None][-1]
        highest = since.learning_rate or 0.0
        rising = self._warmup_steps if since is self._first else 0
        steps = done - since.step
        if steps < rising:
            return highest * (steps + 1) / (rising + 1)
        if self._schedule == "constant":
            return highest
        falling = max(self.max_steps(done) - since.step - rising, 1)
        share = min((steps - rising) / falling, 1.0)
        return highest * (0.5 * (1 + math.cos(math.pi * share)) if self._schedule == "cosine" else 1 - share)

    def _until(self, done: int) -> list[Change]:
        return [self._first, *(change for change in self._changes if change.step <= done)]


class PlannedRate(LRScheduler):
    """Gives an optimizer the rates of a plan; its state is a count of steps."""

    def __init__(self, optimizer: Any, plan: Plan) -> None:
        """Begin with the rate of the first step."""
        self._plan = plan
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Any]:
        """Return the rate of the next step for each group of parameters."""
        rate = self._plan.rate(self.last_epoch)
        return [rate for _ in self.optimizer.param_groups]

    def refresh(self) -> None:
        """Take up what has been changed in the plan."""
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate
        self._last_lr = self.get_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return how many steps have been done."""
        return {"last_epoch": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after as many steps."""
        self.last_epoch = state_dict["last_epoch"]
        self.refresh()
