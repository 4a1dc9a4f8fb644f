"""The names of the models, adapters and jobs there are, in time for a Tab."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

PATIENCE = 0.15
"""Seconds that a Tab may wait for the names."""


class Names(ABC):
    """The names of something, as last heard.

    They are asked for in the background; an answer that takes too long counts for the next time.
    """

    def __init__(self) -> None:
        """Know none yet."""
        self._names: tuple[str, ...] = ()
        self._asking: threading.Thread | None = None

    def __call__(self) -> tuple[str, ...]:
        """Return the names, new ones if they come in time."""
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask, name="gpt-notebook-names", daemon=True)
            self._asking.start()
        self._asking.join(PATIENCE)
        return self._names

    def _ask(self) -> None:
        from gpt_notebook.errors import GptNotebookError

        try:
            self._names = self._found()
        except (GptNotebookError, OSError):
            return

    @abstractmethod
    def _found(self) -> tuple[str, ...]:
        """Return the names as they are now."""


class ModelNames(Names):
    """The names of the models."""

    def _found(self) -> tuple[str, ...]:
        from gpt_notebook import api

        return tuple(each.name for each in api.models())


class JobNames(Names):
    """The names of the fine-tuning jobs."""

    def _found(self) -> tuple[str, ...]:
        from gpt_notebook.fine_tuning import records as job_records

        return tuple(each.name for each in job_records.listed())


class AdapterNames(Names):
    """The names of the adapters, and those of their steps."""

    def _found(self) -> tuple[str, ...]:
        from gpt_notebook import api

        found = api.adapters()
        steps = [f"{each.name}:{step}" for each in found for step in reversed(each.steps)]
        best = [f"{each.name}:best" for each in found if each.best is not None]
        return (*(each.name for each in found), *best, *steps)
