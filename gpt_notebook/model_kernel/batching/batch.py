"""All generations of one model, which share its steps: one piece of work for the scheduler."""

from __future__ import annotations

import threading

from gpt_notebook.model_kernel.batching import fitting
from gpt_notebook.model_kernel.batching.apart import Apart
from gpt_notebook.model_kernel.batching.memory import CacheMemory
from gpt_notebook.model_kernel.batching.together import Together
from gpt_notebook.model_kernel.generation import Generation
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.scheduler import Scheduler, Work


class Batch(Work):
    """The generations of one model; has its turns while there are any."""

    def __init__(self, model: LoadedModel, memory: CacheMemory, scheduler: Scheduler) -> None:
        """Begin with none."""
        super().__init__()
        self._model = model
        self._memory = memory
        self._scheduler = scheduler
        self._newcomers: list[Generation] = []
        self._has_turns = False
        self._lock = threading.Lock()
        self._ways: tuple[Together | Apart, Apart] | None = None
        """For generations that can share a pass, and for those with an adapter that only all rows can have."""

    def submit(self, generation: Generation) -> None:
        """Let a generation in; from any thread."""
        with self._lock:
            self._newcomers.append(generation)
            if self._has_turns:
                return
            self._has_turns = True
        self._scheduler.submit(self)

    def step(self) -> bool:
        """Get all generations on by a token."""
        try:
            self._step()
        except BaseException as error:  # noqa: BLE001 - whoever it is, nobody may wait without end
            going = [generation for way in self._ways or () for generation in way.generations]
            self._ways = None
            for generation in (*going, *self._arrived()):
                generation.end(error)
        with self._lock:
            self._has_turns = bool(self._newcomers) or any(self._ways or ())
            return self._has_turns

    def _step(self) -> None:
        if self._ways is None:
            shape = fitting.shape_of(self._model)
            apart = Apart(self._memory)
            self._ways = (apart if shape is None else Together(self._model, shape, self._memory), apart)
        together, apart = self._ways
        for generation in self._arrived():
            shares = generation.served.adapter is None or generation.served.adapter.by_row
            (together if shares else apart).add(generation)
        together.step()
        if apart is not together:
            apart.step()

    def _arrived(self) -> list[Generation]:
        with self._lock:
            arrived, self._newcomers = self._newcomers, []
        return arrived
