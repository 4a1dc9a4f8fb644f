"""What answers a request: a model with its adapter, under the name that was asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from gpt_notebook.model_kernel.adapters.loaded_adapter import LoadedAdapter
from gpt_notebook.model_kernel.loaded_model import LoadedModel


@dataclass(frozen=True)
class Served:
    """A loaded model, and what is added to it."""

    model: LoadedModel
    adapter: LoadedAdapter | None = None
    name: str = ""
    """The model string of the request; the same adapter may be asked for by several. What is recorded goes by it."""

    @property
    def fingerprint(self) -> str:
        """Which model exactly that is, with its adapter."""
        return self.model.fingerprint if self.adapter is None else self.adapter.fingerprint

    @property
    def gone(self) -> bool:
        """Whether one of them has been unloaded or replaced."""
        return self.model.gone or (self.adapter is not None and self.adapter.gone)

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Keep both from being evicted."""
        with self.model.used(), contextlib.nullcontext() if self.adapter is None else self.adapter.used():
            yield
