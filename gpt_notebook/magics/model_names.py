"""Which models there are, for those who only look: `%gpt models`, `%gpt use` and Tab start no model kernel to find out."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpt_notebook.protocol import ModelInfo

PATIENCE = 0.15
"""Seconds that a Tab may wait for the names."""


def models() -> tuple[list[ModelInfo], bool]:
    """Return the models there are, and whether that is all: only a model kernel knows what the hub's cache has."""
    from gpt_notebook import api, saved_models
    from gpt_notebook.protocol import DEFAULT_MODEL, ModelInfo

    if api.status().state != "stopped":
        return api.models(), True
    bundled = ModelInfo(name=DEFAULT_MODEL, source="comes with gpt_notebook", loaded=False)
    return [bundled, *saved_models.listing(api.session.settings)], False


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
        from gpt_notebook.errors import GptNotebookError

        try:
            self._names = tuple(each.name for each in models()[0])
        except (GptNotebookError, OSError):
            return
