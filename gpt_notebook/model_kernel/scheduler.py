"""Whose step comes next on a device.

One thread owns the device. It gives every piece of work one step in turn, so that nobody waits for another's end, and
work joins, leaves and is cancelled between steps. Work that can share a step (a batch of sequences) is one piece of
work here. Knows nothing of models or requests.

Long computations are patient: all of them together take at most `PATIENT_SHARE` of the time in which anybody else has
work, so that somebody's running generation keeps its speed. What they overdraw they wait for.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from gpt_notebook.errors import GptNotebookError, RequestCancelled
from gpt_notebook.model_kernel import threads

logger = logging.getLogger(__name__)

PATIENT_SHARE = 0.08
"""How much of the time patient work gets while others run: what it does to the processor's caches costs them a little
more, and together they should stay above 85 % of their speed."""
SHORTEST_STEP = 0.01
"""Seconds of a patient step while others run quickly: between two tokens nobody sees it, and torch's overhead is small
beside it."""
LONGEST_STEP = 0.1
"""Seconds of a patient step when nobody else is there: as long as a newcomer's first token may be held up, and what
lets progress and cancelling look immediate."""
QUIET = 0.5
"""Seconds without anybody else's step until patient work counts as alone: calls in a loop come back sooner, and would
otherwise meet a long step each time."""


class Asked:
    """Something that somebody has asked for and waits for."""

    def __init__(self) -> None:
        """Begin with nobody listening."""
        self.emit: Callable[[Any], None] = lambda _: None
        """Takes each result, then None at the end, or the error that was the end."""
        self.cancelled = False
        """Set from any thread; takes effect at the next step."""
        self.must_wait: Callable[[], bool] = lambda: False
        """Asked after a step: whether so much is still unread that it should wait. It then has no turns until whoever
        reads submits it again."""
        self.ended = False

    def end(self, error: BaseException | None = None) -> None:
        """Tell how it ended; a listener that fails must not end the thread that everybody else's work needs."""
        self.ended = True
        # Ours say all there is to say to whoever asked.
        if error is not None and not isinstance(error, GptNotebookError):
            logger.warning("a step failed: %s", type(error).__name__, exc_info=error)
        try:
            self.emit(error)
        except Exception:
            logger.exception("nobody takes the end of work")


class Work(Asked, ABC):
    """Something that is done step by step, and says what comes of it."""

    patient = False
    """Whether it is a long computation that others must hardly notice. Its steps keep to about `seconds`, and wait for
    the device before they return (`torch.cuda.synchronize`), since the time until then is what is counted. When it is
    cancelled it is given one more step, allowed or not, which must do no more than end it."""

    def __init__(self) -> None:
        """Begin with nobody listening."""
        super().__init__()
        self.threads = 1
        """How many CPU threads a step uses."""
        self.inside: Callable[[], AbstractContextManager[None]] = nullcontext
        """Gives the block in which each step is done."""
        self.seconds = SHORTEST_STEP
        """How long the coming step of patient work should take; set before each. A longer one is paid for by a pause."""

    def check_cancelled(self) -> None:
        """Refuse to go on with work of which only the whole is an answer.

        Raises:
            RequestCancelled: it has been cancelled.
        """
        if self.cancelled:
            message = "the request was cancelled before it was done: run it again"
            raise RequestCancelled(message)

    @abstractmethod
    def step(self) -> bool:
        """Do one step on the device; return whether there is more to do."""


class Allowance:
    """The time that patient work may take, in seconds."""

    def __init__(self) -> None:
        """Begin with nobody else there."""
        self.step = LONGEST_STEP
        """How long the next patient step should be."""
        self._credit = 0.0
        """What patient work may take while others run; below zero it has taken too much."""
        self._quiet_from = -math.inf
        """When the others will have been away for long enough, on the scheduler's clock."""

    @property
    def left(self) -> bool:
        """Whether a patient step may come while others run."""
        return self._credit > 0

    def others_ran(self, began: float, ended: float) -> None:
        """Let patient work earn its share of a round of everybody else's steps."""
        if began >= self._quiet_from:
            self._credit = 0.0
        earned = (ended - began) * PATIENT_SHARE / (1 - PATIENT_SHARE)
        # Others whose own steps are slow don't notice a longer one in between.
        self.step = min(max(earned, SHORTEST_STEP), LONGEST_STEP)
        # Not more than one step: what a long round earned must not come back as a row of them.
        self._credit = min(self._credit + earned, self.step)
        self._quiet_from = ended + QUIET

    def nobody_ran(self, now: float) -> None:
        """Let patient work be long once nobody else has been there for a while."""
        self.step = LONGEST_STEP if now >= self._quiet_from else SHORTEST_STEP

    def spend(self, seconds: float) -> None:
        """Take off what a patient step took while others had to wait."""
        self._credit -= seconds
        self._quiet_from += seconds  # They weren't away, they waited.


class Scheduler:
    """The step scheduler of one device."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.perf_counter) -> None:
        """Start its thread, which waits for work; `clock` gives seconds."""
        self._clock = clock
        self._allowance = Allowance()
        self._arrivals: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"scheduler-{name}", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Let work have its turns; may be called from any thread."""
        self._arrivals.put(work)

    def close(self) -> None:
        """End after the current step; work that isn't done is dropped."""
        self._arrivals.put(None)
        self._thread.join()

    def _run(self) -> None:
        active: list[Work] = []
        while True:
            arrived = self._arrived(wait=not active)
            if None in arrived:
                return
            active = self._turn(active + [work for work in arrived if work is not None])
            arrived.clear()  # The last reference to finished work must not wait for the next arrival.

    def _arrived(self, *, wait: bool) -> list[Work | None]:
        """Return what has come since the last turn, waiting for it when there is nothing else to do."""
        arrived = [self._arrivals.get()] if wait else []
        while not self._arrivals.empty():
            arrived.append(self._arrivals.get())
        return arrived

    def _turn(self, active: list[Work]) -> list[Work]:
        """Give everybody a step, but only one of the patient, and only if they may; return who has more to do."""
        going: list[Work] = []
        patient: list[Work] = []  # The next of them comes first.
        for work in active:  # Another thread may cancel at any moment, so each is asked once.
            (patient if work.patient and not work.cancelled else going).append(work)
        others = any(not work.patient for work in going)
        began = self._clock()
        going = [work for work in going if self._step(work)]
        if others:
            self._allowance.others_ran(began, self._clock())
        else:
            self._allowance.nobody_ran(began)
        # One step and no more, so that a newcomer never waits for two.
        if patient and (self._allowance.left or not others):
            first = patient.pop(0)
            first.seconds = self._allowance.step
            began = self._clock()
            if self._step(first):
                patient.append(first)
            if others:
                self._allowance.spend(self._clock() - began)
        return going + patient

    def _step(self, work: Work) -> bool:
        """Do a step of some work; return whether it is to have another."""
        threads.use(work.threads)
        try:
            with work.inside():
                more = work.step()
        except BaseException as error:  # noqa: BLE001 - whoever asked is told
            work.end(error)
            return False
        if not more:
            work.end()
        return more and not work.must_wait()
