"""How long a job has trained at each of its events: pauses, and the time after a death, don't count."""

from __future__ import annotations

from gpt_notebook.job_events import Recorded, StateChanged


class TrainingClock:
    """Seconds that a job has trained."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self._begin: float | None = None
        self._worked = 0.0
        """The time of the last event that was work."""
        self._runs = False

    def seconds(self, event: Recorded) -> float:
        """Return how long the job has trained when an event happens: while it rests the time stands still."""
        if isinstance(event, StateChanged):
            if event.state == "running":
                rest = 0.0 if self._begin is None else max(0.0, event.time - self._worked)
                self._begin = event.time if self._begin is None else self._begin + rest
                self._worked = event.time
            elif self._runs and event.state != "queued":
                self._worked = event.time
            self._runs = event.state == "running"
        elif self._runs:
            self._worked = event.time
        return 0.0 if self._begin is None else max(0.0, self._worked - self._begin)
