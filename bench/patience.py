"""Whether somebody's running generation keeps its speed and its tokens while another asks about an attention.

    python bench/patience.py [--rounds 5] [--tokens 150] [--length 2048] [--threads 1 2]

A model kernel of its own runs a model of GPT-2's 124 M shape with random weights; nothing is downloaded. One client
streams a greedy generation; another, in a process of its own, asks without end for maps, tiles, overviews and scores of
an attention that was recorded before, one question of each kind at a time. A generation alone and one beside the
questions take turns, every other round the other way round, so that a machine whose speed drifts is fair to both. The promise: it keeps 80 % of its speed, and
every token and logprob is the same.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple, Self

from fair_rounds import fair_rounds
from own_model_kernel import GPT2, own_model_kernel, random_text, save_random_model
from report import heading, met, row, spread

import gpt_notebook as gpt
from gpt_notebook.protocol import Tokens

PROMPT_LENGTH = 32
TILE = 512
PROMISED = 0.8
WIDE = {"initializer_range": 0.2}
"""With the usual, ten times smaller weights a greedy generation says one token again and again."""


def main() -> None:
    """Measure with each number of threads, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=150, help="how many each generation makes")
    parser.add_argument("--length", type=int, default=2048, help="tokens of the attention that is asked about")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}), help="CPU threads of a step"
    )
    options = parser.parse_args()
    print(f"GPT-2 shape, {os.cpu_count()} cores, median of {options.rounds} (smallest to largest)\n")
    columns = ["alone tokens/s", "beside questions tokens/s", "ratio", "longest pause ms", "answers/s", "tokens", ""]
    heading("threads", *columns)
    with tempfile.TemporaryDirectory(prefix="gpt-") as directory:
        model = save_random_model(Path(directory) / "model", GPT2 | WIDE)
        kept = True
        for threads in options.threads:
            with own_model_kernel(threads=threads):
                kept &= measure(model, threads, options)
    if not kept:
        raise SystemExit(1)


def measure(model: str, threads: int, options: argparse.Namespace) -> bool:
    """Let generations alone and beside questions take turns, print a row, and return whether the promise is kept."""
    gpt.attention(random_text(options.length), model=model)
    generate(model, 10)
    alone, beside, per_second = [], [], []

    def measure_alone() -> None:
        alone.append(generate(model, options.tokens))

    def measure_beside() -> None:
        with Questions(model, options.length) as questions:
            before, began = questions.answered, time.perf_counter()
            beside.append(generate(model, options.tokens))
            per_second.append((questions.answered - before) / (time.perf_counter() - began))

    for order in fair_rounds((measure_alone, measure_beside), options.rounds):
        for measure_one in order:
            measure_one()
    ratio = statistics.median(b.speed / a.speed for a, b in zip(alone, beside, strict=True))
    same = len({each.tokens for each in alone + beside}) == 1
    kept = same and ratio >= PROMISED
    row(
        str(threads),
        spread([each.speed for each in alone]),
        spread([each.speed for each in beside]),
        f"{ratio:.2f}",
        f"{max(each.pause for each in alone) * 1e3:.0f} alone, {max(each.pause for each in beside) * 1e3:.0f} beside",
        f"{statistics.median(per_second):.1f}",
        f"{'the same' if same else 'NOT the same'}, {len(set(alone[0].tokens))} different",
        met(kept),
    )
    return kept


class Generation(NamedTuple):
    """How a generation went."""

    tokens: tuple[tuple[int, float | None], ...]
    """Ids and logprobs."""
    speed: float
    """Tokens per second after the first."""
    pause: float
    """The longest time between two tokens, in seconds."""


def generate(model: str, tokens: int) -> Generation:
    """Go on from a prompt, each token the most probable one."""
    found, times = [], []
    for event in gpt.events(random_text(PROMPT_LENGTH), model=model, max_new_tokens=tokens, temperature=0):
        if isinstance(event, Tokens):
            found += [(token.id, token.logprob) for token in event.tokens]
            times += [time.perf_counter()] * len(event.tokens)
    assert len(found) == tokens, f"{len(found)} tokens came instead of {tokens}"
    pause = max(later - earlier for earlier, later in itertools.pairwise(times))
    return Generation(tuple(found), (tokens - 1) / (times[-1] - times[0]), pause)


class Questions:
    """Questions about an attention, asked from another process for as long as the block lasts."""

    def __init__(self, model: str, length: int) -> None:
        """Begin with none."""
        fresh = multiprocessing.get_context("spawn")
        self._enough = fresh.Event()
        self._answered = fresh.Value("q", 0)
        self._process = fresh.Process(target=ask, args=(model, length, self._enough, self._answered))

    @property
    def answered(self) -> int:
        """How many have been answered."""
        return self._answered.value

    def __enter__(self) -> Self:
        """Return when the first is answered."""
        self._process.start()
        while not self.answered:
            if not self._process.is_alive():
                message = "the process that asks has ended"
                raise RuntimeError(message)
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        """Return when the last is answered."""
        self._enough.set()
        self._process.join()
        assert self._process.exitcode == 0, "the process that asks has failed"


def ask(model: str, length: int, enough: Event, answered: Synchronized[int]) -> None:
    """Ask questions of each kind, one after another of a kind, about all heads or about every head in turn."""
    attention = gpt.attention(random_text(length), model=model)
    heads = itertools.cycle(itertools.product(range(attention.n_layers), range(attention.n_heads)))
    tile = (length // 2, min(length, length // 2 + TILE))
    questions: list[Callable[[], object]] = [
        lambda: attention.map(*next(heads)),
        lambda: attention.map(*next(heads), queries=tile, keys=tile),
        lambda: attention.overview(reduction="max"),
        lambda: attention.scores("entropy"),
    ]

    def keep_asking(question: Callable[[], object]) -> None:
        while not enough.is_set():
            question()
            with answered.get_lock():
                answered.value += 1

    with ThreadPoolExecutor(len(questions)) as pool:
        list(pool.map(keep_asking, questions))


if __name__ == "__main__":
    main()
