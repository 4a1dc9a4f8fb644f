"""Generations of one model, side by side: each step is one pass over a token of every running row.

A text waits, is read in pieces, and then runs with a row for each of its samples. Between two steps of the running rows
at most one pass reads, so that a long text holds nobody up for longer than a piece takes.
"""

from __future__ import annotations

from gpt_notebook.model_kernel.batching.cache import CacheShape
from gpt_notebook.model_kernel.batching.memory import CacheMemory
from gpt_notebook.model_kernel.batching.running import MOST_ROWS, Running
from gpt_notebook.model_kernel.batching.texts import ReadText, Texts
from gpt_notebook.model_kernel.generation import Generation
from gpt_notebook.model_kernel.loaded_model import LoadedModel

FOR_OTHERS = 8
"""Of these, rows that the background and second samples leave free, for whoever comes and waits."""


class Together:
    """The texts and rows of one model."""

    def __init__(self, model: LoadedModel, shape: CacheShape, memory: CacheMemory) -> None:
        """Begin with none."""
        self._memory = memory
        self._texts = Texts(model, shape, memory)
        self._running = Running(model, shape, memory)
        memory.count(self)

    def __len__(self) -> int:
        return len(self._texts) + len(self._running)

    @property
    def bytes(self) -> int:
        """What the slots and the texts that are being read take."""
        return self._running.bytes + self._texts.bytes

    @property
    def generations(self) -> set[Generation]:
        """Those that read or run."""
        return {*self._texts.generations, *self._running.generations}

    def let_go(self, *, texts: bool = False) -> None:
        """Give back slots in which nobody runs; with `texts`, unless rows run, also what can be read again."""
        self._running.let_go()
        if texts and not self._running:
            self._texts.put_back()

    def add(self, generation: Generation) -> None:
        """Let a generation in."""
        self._texts.add(generation)

    def step(self) -> None:
        """Read one piece, and one token of every row."""
        going = self.generations
        for generation in going:
            if generation.cancelled:
                self._stop(generation)
        alone = not self._running and not self._memory.held_beside(self)
        self._texts.read(wanted=self._has_row_soon, alone=alone, failed=self._end)
        self._start_rows()
        self._running.step(failed=self._end)
        reading = set(self._texts.generations)  # also those that want no sample, but to be read
        for generation in going - reading:
            if not generation.ended and all(sample.finish_reason is not None for sample in generation.samples):
                self._end(generation)

    def _stop(self, generation: Generation) -> None:
        """End a generation that nobody wants any more, with what there is of it."""
        try:
            self._running.stop(generation)
            for sample in generation.samples:
                if sample.finish_reason is None:
                    generation.stop(sample)
                    generation.finish(sample)
        except BaseException as error:  # noqa: BLE001 - whoever asked is told
            self._end(generation, error)
            return
        self._end(generation)

    def _end(self, generation: Generation, error: BaseException | None = None) -> None:
        """Let all of a generation go, and say how it ended."""
        self._texts.remove(generation)
        self._running.remove(generation)
        generation.end(error)

    def _start_rows(self) -> None:
        """Give rows to the samples of texts that have been read, as far as there is room."""
        for text in self._texts.ready:
            generation = text.generation
            try:
                while text.waiting and self._has_room(text):
                    self._running.start(text, text.waiting.popleft())
                if not text.waiting:
                    generation.has_read(text.logits)
                    self._texts.remove(generation)
                    self._running.keep(generation, text.cache)
            except BaseException as error:  # noqa: BLE001 - a tokenizer's panic is no Exception
                self._end(generation, error)

    def _has_row_soon(self, generation: Generation) -> bool:
        """Whether a text that is read now will have a row before long."""
        if generation.background:
            coming = sum(len(text.waiting) for text in self._texts.ready)
        else:  # before whom only those come who have no row yet, and are not in the background
            coming = sum(not _has_begun(text) for text in self._texts.ready if not text.generation.background)
        return len(self._running) + coming < self._rows_for(generation)

    def _has_room(self, text: ReadText) -> bool:
        """Whether one more row may start, of a text that has been read.

        Raises:
            OutOfMemory: there will never be room for it.
        """
        if len(self._running) >= self._rows_for(text.generation, begun=_has_begun(text)):
            return False
        more = self._running.bytes_more(text.generation)
        if self._memory.make_room(more, of=self):
            return True
        if self._running:
            return False
        # Nobody here will leave room behind, but other texts can be read again.
        self._texts.put_back(but=text.generation)
        if self._memory.make_room(more, of=self, texts=True):
            return True
        if self._memory.held_beside(self):  # by rows of another model, which end
            return False
        raise self._texts.too_large(text.generation)

    def _rows_for(self, generation: Generation, *, begun: bool = False) -> int:
        """Return how many rows there may be when a generation gets one: its first, or one more if it has begun."""
        return MOST_ROWS - (FOR_OTHERS if generation.background or begun else 0)


def _has_begun(text: ReadText) -> bool:
    """Whether a sample of a text has a row, or has ended already."""
    return len(text.waiting) < len(text.generation.samples)
