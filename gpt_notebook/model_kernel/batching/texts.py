"""The texts on their way in: which piece of which text is read next, and what of it is known already."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gpt_notebook.byte_sizes import size
from gpt_notebook.errors import OutOfMemory
from gpt_notebook.model_kernel.attention.recorder import Recorder
from gpt_notebook.model_kernel.batching import passes
from gpt_notebook.model_kernel.batching.attending import Piece
from gpt_notebook.model_kernel.batching.cache import CacheShape, SequenceCache
from gpt_notebook.model_kernel.batching.memory import CacheMemory
from gpt_notebook.model_kernel.batching.slots import capacity_for
from gpt_notebook.model_kernel.generation import Generation, Sample
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.sampling import Logits

PIECE = {"cpu": 128, "cuda": 1024}
"""Tokens that are read at once: as long as a running stream may be held up without being seen to stop."""
MOST_TOGETHER = 32
"""Texts whose last pieces are read in one pass."""

OnError = Callable[[Generation, BaseException], None]
"""Takes a generation that cannot go on, and why."""


@dataclass(frozen=True, eq=False)
class ReadText:
    """A text that has been read."""

    generation: Generation
    waiting: deque[Sample]
    """The samples that have no row yet."""
    cache: SequenceCache
    recorder: Recorder | None
    logits: Logits
    """What follows."""


@dataclass(eq=False)
class Incoming:
    """A text on its way in."""

    generation: Generation
    waiting: deque[Sample]
    """The samples that have no row yet."""
    cache: SequenceCache | None = None
    recorder: Recorder | None = None
    read: ReadText | None = None
    """All of it, once it has been read."""
    suspected: bool = False
    """Whether a pass failed that it shared with others; it is read by itself from then on, to see if it is at fault."""

    @property
    def start(self) -> int:
        """How many tokens have been read."""
        return 0 if self.cache is None else len(self.cache)

    @property
    def left(self) -> int:
        """How many tokens are still to be read."""
        return len(self.generation.prompt_ids) - self.start

    def put_back(self) -> None:
        """Forget what has been read, to read it again later."""
        self.cache = self.recorder = self.read = None


class Texts:
    """The texts that one model is to read, in the order in which they came."""

    def __init__(self, model: LoadedModel, shape: CacheShape, memory: CacheMemory) -> None:
        """Begin with none."""
        self._model = model
        self._shape = shape
        self._memory = memory
        self._texts: list[Incoming] = []
        self._piece = PIECE.get(model.device.type, PIECE["cpu"])
        self._oldest_first = False

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def bytes(self) -> int:
        """What has been read of them takes."""
        return sum(cache.bytes for text in list(self._texts) if (cache := text.cache) is not None)

    @property
    def generations(self) -> list[Generation]:
        """Those whose texts they are."""
        return [text.generation for text in self._texts]

    @property
    def ready(self) -> Iterator[ReadText]:
        """The texts that have been read, those in the background last; none that is put back meanwhile."""
        for text in sorted(self._texts, key=lambda text: text.generation.background):
            if text.read is not None:
                yield text.read

    def add(self, generation: Generation) -> None:
        """Let a generation wait for its text to be read."""
        self._texts.append(Incoming(generation, deque(generation.samples)))

    def remove(self, generation: Generation) -> None:
        """Let the text of a generation go."""
        self._texts = [text for text in self._texts if text.generation is not generation]

    def put_back(self, *, but: Generation | None = None) -> None:
        """Give back what all texts take, but for that of one that can't go on otherwise."""
        for text in self._texts:
            if text.generation is not but:
                text.put_back()

    def read(self, *, wanted: Callable[[Generation], bool], alone: bool, failed: OnError) -> None:
        """Read one piece of one text, or the last pieces of several.

        Args:
            wanted: whether a generation would have a row soon.
            alone: whether nothing runs, of no model, that would leave room some time.
            failed: told of texts that can't be read.
        """
        chosen, pieces = [], []
        for text in self._next(wanted):
            if (cache := self._begun(text, alone=alone, failed=failed)) is not None:
                ids = text.generation.prompt_ids[text.start : text.start + self._next_piece(text)]
                chosen.append(text)
                pieces.append(Piece(ids, cache, text.recorder, text.generation.served.adapter))
        if not chosen:
            return
        try:
            logits, _ = passes.read(self._model, pieces)
            rows = logits.cpu().numpy()  # (piece, vocabulary)
        except BaseException as error:  # noqa: BLE001 - whoever asked is told
            self._failed(chosen, error, failed)
            return
        for text, piece, row in zip(chosen, pieces, rows, strict=True):
            self._note_repeatable(piece)
            if not text.left:
                text.read = ReadText(text.generation, text.waiting, piece.cache, text.recorder, row)

    def _failed(self, together: Sequence[Incoming], error: BaseException, failed: OnError) -> None:
        """End a text that failed by itself; of several each is read again alone, so that only the one at fault ends."""
        if len(together) == 1:
            failed(together[0].generation, error)
            return
        for text in together:
            text.put_back()
            text.suspected = True

    def _next(self, wanted: Callable[[Generation], bool]) -> Sequence[Incoming]:
        """Return the texts whose next pieces make the next pass.

        The shortest come first, which keeps nobody waiting long; every other time the oldest, so that none waits forever.
        """
        waiting = [text for text in self._texts if text.read is None]
        if any(not text.generation.background for text in waiting):
            waiting = [text for text in waiting if not text.generation.background]
        if not waiting or not wanted(waiting[0].generation):
            return []
        self._oldest_first = not self._oldest_first
        if not self._oldest_first:
            waiting.sort(key=lambda text: text.left)
        if waiting[0].suspected or self._next_piece(waiting[0]) == self._piece:
            return waiting[:1]
        chosen, tokens = [], 0
        for text in waiting[:MOST_TOGETHER]:
            length = self._next_piece(text)
            if length < self._piece and length + tokens <= self._piece and not text.suspected:
                chosen.append(text)
                tokens += length
        return chosen

    def _next_piece(self, text: Incoming) -> int:
        """Return how many tokens the next piece of a text has: to its end, or to where anybody's pieces end."""
        return min(text.left, self._piece - text.start % self._piece)

    def _note_repeatable(self, piece: Piece) -> None:
        """Count a whole piece, which is always read by itself, after others that were."""
        cache = piece.cache
        if len(piece.token_ids) == self._piece and cache.repeatable_tokens == len(cache) - self._piece:
            cache.repeatable_tokens = len(cache)

    def _begun(self, text: Incoming, *, alone: bool, failed: OnError) -> SequenceCache | None:
        """Begin to read a text with what is kept of its beginning; return its cache, None while there is no room."""
        if text.cache is not None:
            return text.cache
        generation = text.generation
        if not self._make_room(generation):
            if alone and not self.bytes:
                failed(generation, self.too_large(generation))
            return None
        generation.began()
        try:
            text.recorder = generation.recorder()
            text.cache = SequenceCache(self._shape, len(generation.prompt_ids))
            if text.recorder is None:  # for no queries are kept of what has been read before
                self._take_known(text.cache, generation)
        except BaseException as error:  # noqa: BLE001 - whoever asked is told
            failed(generation, error)
            return None
        return text.cache

    def _make_room(self, generation: Generation) -> bool:
        """Whether there is room for a prompt, be it that of those in the background, which wait for all others anyway."""
        needed = len(generation.prompt_ids) * self._shape.bytes_per_token
        if self._memory.make_room(needed):
            return True
        if generation.background:
            return False
        for text in self._texts:
            if text.generation.background:
                text.put_back()
        return self._memory.make_room(needed)

    def _take_known(self, cache: SequenceCache, generation: Generation) -> None:
        """Copy what is kept of the beginning of a text."""
        # What was read in other pieces is the same but for the last bits, and whoever gives a seed wants those too.
        piece = self._piece if generation.repeatable else None
        found = self._memory.prefixes.longest(generation.served.fingerprint, generation.prompt_ids, piece=piece)
        if found is not None:
            known, length = found
            cache.fill(known.keys, known.values, known.token_ids[:length])
            cache.repeatable_tokens = min(known.repeatable_tokens, length)

    def too_large(self, generation: Generation) -> OutOfMemory:
        """Return the error for a generation for which there will never be room."""
        tokens = len(generation.prompt_ids) + capacity_for(generation.longest, self._model.context_length)
        needed = tokens * self._shape.bytes_per_token
        message = (
            f"a prompt of {len(generation.prompt_ids):,} tokens and its completion need {size(needed)} beside the "
            f"weights, and the budget is {size(self._memory.budget)}: lower --max, shorten the prompt, or raise "
            "GPT_NOTEBOOK_CACHE_BUDGET"
        )
        return OutOfMemory(message)
