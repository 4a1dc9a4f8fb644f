"""Generations of a model that doesn't fit into one pass with others: each with the family's own cache, in turns.

What a family's own cache will take is not known before there is one, so nobody waits for room here. It is counted
afterwards, and kept texts leave for it.
"""

from __future__ import annotations

from collections import deque

from gpt_notebook.model_kernel import linear
from gpt_notebook.model_kernel.batching.memory import CacheMemory
from gpt_notebook.model_kernel.batching.running import MOST_ROWS
from gpt_notebook.model_kernel.generation import Generation, Sample
from gpt_notebook.model_kernel.sampling import Logits
from gpt_notebook.model_kernel.sequence import Sequence


class Apart:
    """Runs generations one after the other, a token each."""

    def __init__(self, memory: CacheMemory) -> None:
        """Begin with none."""
        self._going: list[_Alone] = []
        self._background: deque[_Alone] = deque()
        self._memory = memory
        memory.count(self)

    def __len__(self) -> int:
        return len(self._going) + len(self._background)

    @property
    def bytes(self) -> int:
        """What the caches of those take that have begun."""
        return sum(each.bytes for each in (*self._going, *self._background))

    @property
    def generations(self) -> set[Generation]:
        """Those that have not ended."""
        return {each.generation for each in (*self._going, *self._background)}

    def let_go(self, *, texts: bool = False) -> None:
        """Give back nothing: whatever there is runs."""

    def add(self, generation: Generation) -> None:
        """Let a generation have its turns."""
        (self._background if generation.background else self._going).append(_Alone(generation))

    def step(self) -> None:
        """Give each generation that has a place a step, and one of those in the background."""
        rows, going = 0, []
        for each in self._going:
            rows += each.rows
            # Nobody overtakes one that waits for its places, or it would wait forever.
            waits = rows > MOST_ROWS and not each.generation.cancelled
            if waits or each.step():
                going.append(each)
        self._going = going
        cancelled = [each for each in self._background if each.generation.cancelled]
        for each in cancelled:
            self._background.remove(each)
            each.step()
        if self._background and not self._background[0].step():
            self._background.popleft()
        # What is there is there: when it alone is more than there may be, all that is only kept leaves.
        if not self._memory.make_room(0):
            self._memory.prefixes.clear()


class _Alone:
    """One generation, and what has been read for its samples."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self._sequences: dict[int, tuple[Sequence, int]] = {}
        """For each running sample, what has been read of it and the token to read next."""

    @property
    def rows(self) -> int:
        """How many places it takes: those of the samples that run, or will."""
        return sum(sample.finish_reason is None for sample in self.generation.samples)

    @property
    def bytes(self) -> int:
        """What its caches take; from any thread."""
        return sum(sequence.bytes for sequence, _ in list(self._sequences.values()))

    def step(self) -> bool:
        """Generate one token for each running sample; return whether there is more to do."""
        adapter = self.generation.served.adapter
        try:
            with linear.passing([] if adapter is None else [(adapter, slice(None))]):
                return self._step()
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            self.generation.end(error)
            return False

    def _step(self) -> bool:
        generation = self.generation
        if generation.cancelled:
            self._stop()
        elif generation.first_step is None:
            generation.began()
            self._read_prompt()
        else:
            for sample in generation.samples:
                if sample.index in self._sequences:
                    sequence, token_id = self._sequences.pop(sample.index)
                    self._advance(sample, sequence, sequence.read([token_id]).cpu().numpy())
        if not self._sequences:
            generation.end()
        return bool(self._sequences)

    def _stop(self) -> None:
        """End the samples that run, and those that haven't begun."""
        for sample in self.generation.samples:
            if sample.finish_reason is None:
                self.generation.stop(sample)
                sequence, _ = self._sequences.pop(sample.index, (None, None))
                self._finish(sample, sequence)

    def _read_prompt(self) -> None:
        """Read the prompt once for all samples."""
        generation = self.generation
        sequence = Sequence(generation.served.model, generation.recorder())
        row = sequence.read(generation.prompt_ids).cpu().numpy()
        generation.has_read(row)
        for sample in generation.samples:
            last = sample is generation.samples[-1]
            self._advance(sample, sequence if last else sequence.fork(), row)

    def _advance(self, sample: Sample, sequence: Sequence, row: Logits) -> None:
        token_id = self.generation.advance(sample, row)
        if token_id is not None:
            self._sequences[sample.index] = (sequence, token_id)
        else:
            self._finish(sample, sequence)

    def _finish(self, sample: Sample, sequence: Sequence | None) -> None:
        """Say that a sample has ended, after its attention has been kept, whose last token has not been read yet."""
        if sequence is not None and sequence.recorder is not None:
            if unread := self.generation.text_of(sample)[len(sequence) :]:
                sequence.read(unread)
            self.generation.keep_attention(sample, sequence.recorder)
        self.generation.finish(sample)
