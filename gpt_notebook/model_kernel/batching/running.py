"""The rows that run: a slot for each sample, and a token for each of them in every step."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from gpt_notebook.model_kernel.attention.recorder import Recorder
from gpt_notebook.model_kernel.batching import passes
from gpt_notebook.model_kernel.batching.attending import Piece
from gpt_notebook.model_kernel.batching.cache import CacheShape, SequenceCache
from gpt_notebook.model_kernel.batching.memory import CacheMemory
from gpt_notebook.model_kernel.batching.prefixes import WORTH_KEEPING
from gpt_notebook.model_kernel.batching.slots import Slots
from gpt_notebook.model_kernel.batching.texts import OnError, ReadText
from gpt_notebook.model_kernel.generation import Generation, Sample
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.shortage import is_out_of_memory

MOST_ROWS = 32
"""Rows that run at a time: beyond it a CPU gains nothing, and the steps of all get slow."""


@dataclass(eq=False)
class Row:
    """A sample that runs."""

    generation: Generation
    sample: Sample
    token_ids: list[int]
    """Those that have been read."""
    following: int
    """The one to be read next."""
    repeatable_tokens: int
    """How many of them others would have read in the same way."""
    recorder: Recorder | None
    number: int
    """How many rows there had been before it."""


class Running:
    """The rows of one model."""

    def __init__(self, model: LoadedModel, shape: CacheShape, memory: CacheMemory) -> None:
        """Begin with none."""
        self._model = model
        self._memory = memory
        self._slots = Slots(shape, model.context_length)
        self._rows: list[Row] = []
        """In the order of their slots."""
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def bytes(self) -> int:
        """What their slots take."""
        return self._slots.bytes

    @property
    def generations(self) -> list[Generation]:
        """Those that have rows."""
        return [row.generation for row in self._rows]

    def bytes_more(self, generation: Generation) -> int:
        """Return what one more row of a generation would take."""
        return self._slots.bytes_with(generation.longest) - self._slots.bytes

    def let_go(self) -> None:
        """Give the slots back if nobody runs."""
        if not self._rows:
            self._slots.clear()

    def start(self, text: ReadText, sample: Sample) -> None:
        """Choose the first token of a sample, and give it a row if there is to be a second."""
        generation, cache = text.generation, text.cache
        recorder = text.recorder.fork() if text.recorder is not None and text.waiting else text.recorder
        following = generation.advance(sample, text.logits)
        if following is None:
            self._finish(generation, sample, cache, recorder)
            return
        self._slots.add(cache, generation.longest)
        ids = list(generation.prompt_ids)
        number = next(self._numbers)
        self._rows.append(Row(generation, sample, ids, following, cache.repeatable_tokens, recorder, number))

    def step(self, failed: OnError) -> None:
        """Read one token of every row, and choose those that follow.

        Args:
            failed: told of generations that can't go on.
        """
        rows = list(self._rows)
        if not rows:
            return
        try:
            logits = passes.step(
                self._model,
                self._slots,
                [row.following for row in rows],
                observers=[row.recorder for row in rows],
                adapters=[row.generation.served.adapter for row in rows],
            )
            table = logits.cpu().numpy()  # (row, vocabulary)
        except BaseException as error:  # noqa: BLE001 - whoever is at fault is told
            for row in rows:
                if row.recorder is not None:  # it may have seen some of the layers
                    row.recorder.back_to(len(row.token_ids))
            for generation in self._at_fault(error):
                failed(generation, error)
            return
        ended = []
        errors: dict[Generation, BaseException] = {}
        for slot, (row, following) in enumerate(zip(rows, table, strict=True)):
            row.token_ids.append(row.following)
            try:
                token_id = row.generation.advance(row.sample, following)
                if token_id is None:
                    ended.append(slot)
                    self._leave(slot)
                else:
                    row.following = token_id
            except BaseException as error:  # noqa: BLE001 - a tokenizer's panic is no Exception
                errors[row.generation] = error
        self._remove(ended)
        for generation, fault in errors.items():
            failed(generation, fault)

    def _at_fault(self, error: BaseException) -> set[Generation]:
        """Return who ends when a step of all rows has failed: for want of memory the last that came, otherwise all."""
        if is_out_of_memory(error):
            return {max(self._rows, key=lambda row: row.number).generation}
        return set(self.generations)

    def stop(self, generation: Generation) -> None:
        """End the rows of a generation before their next tokens."""
        slots = [slot for slot, row in enumerate(self._rows) if row.generation is generation]
        for slot in slots:
            generation.stop(self._rows[slot].sample)
            self._leave(slot)
        self._remove(slots)

    def remove(self, generation: Generation) -> None:
        """Take the rows of a generation away."""
        self._remove([slot for slot, row in enumerate(self._rows) if row.generation is generation])

    def _remove(self, slots: Iterable[int]) -> None:
        for slot in sorted(slots, reverse=True):
            self._slots.remove(slot)
            self._rows[slot] = self._rows[-1]
            self._rows.pop()

    def _leave(self, slot: int) -> None:
        """Say that a row has ended, and keep of it what somebody may go on from."""
        row = self._rows[slot]
        generation = row.generation
        if row.recorder is None:
            generation.finish(row.sample)
        else:
            self._finish(generation, row.sample, self._cache_of(slot), row.recorder)
        if not generation.background and self._may_keep(len(row.token_ids)):
            self._keep(generation, self._cache_of(slot))

    def _cache_of(self, slot: int) -> SequenceCache:
        """Return a copy of what a row has read."""
        row = self._rows[slot]
        cache = self._slots.cache_of(slot, row.token_ids)
        cache.repeatable_tokens = row.repeatable_tokens
        return cache

    def _finish(self, generation: Generation, sample: Sample, cache: SequenceCache, recorder: Recorder | None) -> None:
        """Say that a sample has ended, after its attention has been kept, whose last token has not been read yet."""
        if recorder is not None:
            if unread := generation.text_of(sample)[len(cache) :]:
                longer = cache.copy(len(cache), len(cache) + len(unread))
                passes.read(self._model, [Piece(unread, longer, recorder, generation.served.adapter)])
            generation.keep_attention(sample, recorder)
        generation.finish(sample)

    def keep(self, generation: Generation, cache: SequenceCache) -> None:
        """Keep what has been read of a text, if there is room."""
        if self._may_keep(len(cache)):
            self._keep(generation, cache)

    def _may_keep(self, length: int) -> bool:
        """Whether a text of so many tokens is worth keeping, and has room."""
        return length >= WORTH_KEEPING and self._memory.make_room(length * self._slots.shape.bytes_per_token)

    def _keep(self, generation: Generation, cache: SequenceCache) -> None:
        served = generation.served
        self._memory.prefixes.keep(served.fingerprint, cache)
        # Whoever lets a model go says so first, and forgets its texts then: one or the other finds this one.
        if served.gone:
            self._memory.prefixes.forget(served.fingerprint)
