"""Generations of one model whose steps a test takes one by one, in its own thread."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Any

from gpt_notebook.model_kernel.adapters.loaded_adapter import LoadedAdapter
from gpt_notebook.model_kernel.attention.capture import Capture
from gpt_notebook.model_kernel.batching import fitting
from gpt_notebook.model_kernel.batching.apart import Apart
from gpt_notebook.model_kernel.batching.memory import CacheMemory
from gpt_notebook.model_kernel.batching.together import Together
from gpt_notebook.model_kernel.engine import Engine
from gpt_notebook.model_kernel.generation import Generation
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.prompts import Prompt
from gpt_notebook.model_kernel.scheduler import Work
from gpt_notebook.model_kernel.served import Served
from gpt_notebook.protocol import Finished, SamplingOptions, Token, Tokens

PLENTY = 2**30
"""Bytes, more than any test's caches come to."""
ENOUGH_STEPS = 2_000
"""More than any test needs; whoever takes more of them will never end."""


def chances(seed: int) -> random.Random:
    """What looks random and comes again."""
    return random.Random(seed)


def text(length: int, seed: int = 0, *, vocabulary: int = 320) -> list[int]:
    """Token ids without those that end or pad a text, other ones for each seed."""
    return chances(seed).choices(range(4, vocabulary), k=length)


class Heard:
    """What one generation has said so far."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.tokens: list[list[Token]] = [[] for _ in generation.samples]
        self.finished: dict[int, Finished] = {}
        self.captures: list[Capture] = []
        self.ends: list[BaseException | None] = []
        """How it ended; more than one end would be one too many."""
        generation.emit = self._hear

    def _hear(self, item: Any) -> None:
        match item:
            case Tokens():
                self.tokens[item.index] += item.tokens
            case Finished():
                assert item.index not in self.finished
                self.finished[item.index] = item
            case Capture():
                self.captures.append(item)
            case _:
                self.ends.append(item)

    @property
    def ids(self) -> list[int]:
        """The tokens of the first sample."""
        return self.ids_of(0)

    def ids_of(self, index: int) -> list[int]:
        return [token.id for token in self.tokens[index]]

    @property
    def numbers(self) -> list[tuple[int, float | None]]:
        """The tokens of the first sample and their logprobs, to the bit."""
        return [(token.id, token.logprob) for token in self.tokens[0]]

    @property
    def ended(self) -> bool:
        assert len(self.ends) <= 1
        return bool(self.ends)

    @property
    def error(self) -> BaseException | None:
        return self.ends[0] if self.ends else None

    @property
    def reasons(self) -> list[str]:
        return [self.finished[index].finish_reason for index in sorted(self.finished)]


class Company:
    """The batch of one model without its scheduler."""

    def __init__(self, model: LoadedModel, *, budget: int = PLENTY, memory: CacheMemory | None = None) -> None:
        self.model = model
        self.memory = CacheMemory(budget) if memory is None else memory
        shape = fitting.shape_of(model)
        self.way: Any = Apart(self.memory) if shape is None else Together(model, shape, self.memory)
        self.shape: Any = shape
        self.asked: list[Heard] = []

    def ask(
        self,
        token_ids: Sequence[int],
        *,
        stop: tuple[str, ...] = (),
        adapter: LoadedAdapter | None = None,
        background: bool = False,
        attention: bool = False,
        **options: Any,
    ) -> Heard:
        """Let a generation in, a greedy one unless a seed or a temperature is given."""
        seed = options.pop("seed", None)
        options.setdefault("temperature", 0 if seed is None else 1)
        sampling = SamplingOptions(seed=7 if seed is None else seed, **options)
        generation = Generation.of(
            Served(self.model, adapter, self.model.source.name),
            Prompt("", list(token_ids), sampling, stop, repeatable=seed is not None),
            attention_budget=PLENTY if attention else None,
            background=background,
        )
        heard = Heard(generation)
        self.asked.append(heard)
        self.way.add(generation)
        return heard

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.way.step()

    def finish(self) -> None:
        """Take steps until all have ended."""
        for _ in range(ENOUGH_STEPS):
            if not len(self.way):
                assert all(heard.ended for heard in self.asked)
                return
            self.way.step()
        raise AssertionError([heard.generation.generated for heard in self.asked if not heard.ended])

    def answer(self, token_ids: Sequence[int], **options: Any) -> Heard:
        """What a generation says that has the model to itself."""
        heard = self.ask(token_ids, **options)
        self.finish()
        assert heard.error is None, heard.error
        return heard

    @property
    def slots(self) -> Any:
        return self.way._running._slots

    @property
    def rows(self) -> int:
        return len(self.way._running)


def let_steps_end(engine: Engine) -> None:
    """Return when the scheduler has ended the step that it is in, in which the ends of generations were told."""
    ended = threading.Event()

    class Nothing(Work):
        def step(self) -> bool:
            return False

    work = Nothing()
    work.emit = lambda _: ended.set()
    engine._runner._scheduler.submit(work)
    assert ended.wait(10)
