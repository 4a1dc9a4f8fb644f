"""Following a job for the views of a panel: one thread, however many views look, and none when nobody does.

A job is followed through whatever happens to it: the death of the model kernel, pauses and new attempts, another name. Only
its deletion ends that. No model kernel is started.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from gpt_notebook import launcher
from gpt_notebook.errors import GptNotebookError, JobNotFound
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.fine_tuning.curve import Curve
from gpt_notebook.fine_tuning.present import Present
from gpt_notebook.job_files.journal import PASSING
from gpt_notebook.job_protocol import ENDED, JobInfo
from gpt_notebook.session import session
from gpt_notebook.widgets._job_reading import Reading, reading_of
from gpt_notebook.widgets._requests import Teller

REST_SECONDS = 1.0
"""How often a job is looked at that has ended or paused, which somebody may let go on."""
WHOLE_SECONDS = 3.0
"""How often all that is known of a job is looked at, such as which of its checkpoints are still there."""
FOLLOW_SECONDS = 60.0
"""After this a view has to ask again: of one that is gone nobody may have heard."""
MISSING_SECONDS = 2.0
"""A job that can't be found for so long is gone; while it is being renamed nobody finds it either."""

News = tuple[dict[str, Any], list[Any]]
"""What is new of a job, and its rows."""


@dataclass(eq=False)
class _Follower:
    """A view that follows, and what it knows."""

    teller: Teller
    rows: int
    number: int
    version: int = -1
    until: float = field(default_factory=lambda: time.monotonic() + FOLLOW_SECONDS)


class JobWatch:
    """A job as far as it is known, and the views that are told when there is more."""

    def __init__(self, info: JobInfo) -> None:
        """Know what somebody has said of it; nothing is read yet."""
        self.info = info
        self.curve = Curve()
        self.reachable = True
        """Whether a model kernel answers."""
        self.gone: str | None = None
        """Why nothing more can come; None while more can."""
        self._present = Present()
        self._reading: Reading | None = None
        self._looking = threading.RLock()
        self._whole_at = 0.0
        self._missing_since: float | None = None
        self._version = 0
        self._changed = threading.Condition()
        self._followers: list[_Follower] = []
        self._thread: threading.Thread | None = None

    @property
    def followed(self) -> bool:
        """Whether any view follows."""
        return bool(self._followers)

    def follow(self, teller: Teller, *, rows: int, number: int) -> None:
        """Tell a view what it doesn't know yet, at once and then as it comes; returns at once.

        Args:
            teller: The view's.
            rows: How many rows it has.
            number: The last event that it knows.
        """
        with self._changed:
            self._followers.append(_Follower(teller, rows, number))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="gpt-notebook-job", daemon=True)
                self._thread.start()
            self._changed.notify()

    def news(self, *, rows: int = 0, number: int = 0) -> News:
        """Return what is new for somebody who has so many rows and knows the events up to a number."""
        with self._looking:
            changes = self.curve.since(rows=rows, number=number)
            said = {
                "info": self.info,
                "now": time.time(),
                "number": changes.number,
                "row": changes.row,
                "rewound_to": changes.rewound_to,
                "marks": changes.marks,
                "probes": changes.probes,
                "omitted": changes.omitted,
                "reachable": self.reachable,
                "gone": self.gone,
            }
            return said, [changes.rows]

    def look(self, *, whole: bool = False) -> None:
        """Take what is new; with `whole` also what is looked at only now and then otherwise."""
        with self._looking:
            if self.gone is not None:
                return
            before = self.info, self.reachable, self.curve.number
            try:
                self._take(whole=whole or time.monotonic() >= self._whole_at)
                self._missing_since = None
            except JobNotFound as error:
                self._miss(error)
            except (GptNotebookError, OSError):
                self.reachable, self._reading = False, None
                self._whole_at = time.monotonic() + REST_SECONDS
            if self.gone is not None or before != (self.info, self.reachable, self.curve.number):
                self._version += 1
                with self._changed:
                    self._changed.notify()

    # --- looking ----------------------------------------------------------------------------------------------------

    def _take(self, *, whole: bool) -> None:
        if self._reading is None:
            self._reading = reading_of(self.info, after=self.curve.number)
        number = self.curve.number
        for event in self._reading.events():
            self.curve.add(event)
            self._present.add(event)
            whole = whole or not isinstance(event, PASSING)
        if whole:
            self._whole_at = time.monotonic() + WHOLE_SECONDS
            info = self._reading.info(self._present, self.info)
            self.reachable = _answers()
            self.info = self._placed(info) if info.state == "queued" and self.reachable else info
        elif self.curve.number > number:
            self.info = self._present.brought_up(self.info)

    def _placed(self, info: JobInfo) -> JobInfo:
        """Return a queued job with its place in the queue, which only the model kernel knows."""
        with contextlib.suppress(GptNotebookError):
            return job_records.latest(info)
        return info

    def _miss(self, error: JobNotFound) -> None:
        """Look for the job elsewhere next time; one that is missing for long is gone."""
        now = time.monotonic()
        self._reading, self._whole_at = None, now
        if self._missing_since is None:
            self._missing_since = now
        elif now - self._missing_since >= MISSING_SECONDS:
            self.gone = error.message

    # --- telling ----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                self._followers = [each for each in self._followers if not each.teller.over]
                if not self._followers:
                    self._thread = None
                    return
                followers = list(self._followers)
            try:
                self.look()
                for each in followers:
                    self._tell(each)
            except Exception as error:  # noqa: BLE001 - whatever it is, the views must hear of it
                for each in followers:
                    each.teller.fail(error)
                self._forget(followers)
                continue
            now = time.monotonic()
            ended = [each for each in followers if self.gone is not None or now >= each.until]
            for each in ended:
                each.teller.end()
            self._forget(ended)
            with self._changed:
                if all(each.version >= 0 for each in self._followers):
                    self._changed.wait(self._pause())

    def _pause(self) -> float:
        """Return how long nothing needs to be looked at."""
        rests = self.info.state == "paused" or self.info.state in ENDED
        least = 0.0 if self._reading is None else self._reading.look_seconds
        return max(REST_SECONDS if rests or self._reading is None else 0.0, least)

    def _tell(self, follower: _Follower) -> None:
        if follower.version == self._version:
            return
        with self._looking:
            follower.version = self._version
            said, rows = self.news(rows=follower.rows, number=follower.number)
            follower.rows, follower.number = len(self.curve), self.curve.number
        follower.teller.part((said, rows))

    def _forget(self, followers: list[_Follower]) -> None:
        with self._changed:
            self._followers = [each for each in self._followers if each not in followers]


def _answers() -> bool:
    """Return whether a model kernel is there."""
    try:
        return launcher.running(session.settings) is not None
    except GptNotebookError:
        return False
