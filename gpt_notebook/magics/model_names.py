"""The names of the models there are, in time for a Tab."""

from __future__ import annotations

import threading

PATIENCE = 0.15
"""Seconds that a Tab may wait for the names."""


class ModelNames:
    """The names of the models, as last heard.

    They are asked for in the background; an answer that takes too long counts for the next time.
    """

    def __init__(self) -> None:
        """Know none yet."""
        self._names: tuple[str, ...] = ()
        self._asking: threading.Thread | None = None

    def __call__(self) -> tuple[str, ...]:
        """Return the names, new ones if they come in time."""
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask, name="gpt-notebook-model-names", daemon=True)
            self._asking.start()
        self._asking.join(PATIENCE)
        return self._names

    def _ask(self) -> None:
        from gpt_notebook import api
        from gpt_notebook.errors import GptNotebookError

        try:
            self._names = tuple(each.name for each in api.models())
        except (GptNotebookError, OSError):
            return
