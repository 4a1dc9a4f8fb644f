"""A table of short rows: `gpt.map` beside one `gpt.generate` call a row, on the bundled model.

    python bench/table.py [--rows 1000] [--calls 100] [--tokens 16] [--rounds 3] [--threads N]

A model kernel of its own, warm; both make the same number of tokens for every row, sampled with one seed. One call a row
is measured on some of the rows and scaled to all, which flatters it if anything: it has no end to wait for. The two take
turns, every other round the other way round, so that a machine whose speed drifts is fair to both. The promise: the map is at least 5 times as fast.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time

from fair_rounds import fair_rounds
from own_model_kernel import own_model_kernel
from report import heading, met, row, spread

import gpt_notebook as gpt

NAMES = ("Pip", "Mia", "Tom", "Lily", "Max", "Anna", "Ben", "Zoe")
THINGS = ("a red ball", "a little boat", "a green hat", "an old key", "a big drum", "a blue kite")
PLACES = ("the park", "the river", "the garden", "the school", "the wood")
TEMPLATE = "{name} found {thing} at {place}. One day"
PROMISED = 5.0


def main() -> None:
    """Measure in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=100, help="how many rows are asked for one by one")
    parser.add_argument("--tokens", type=int, default=16, help="how many each row gets at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="CPU threads of a step")
    options = parser.parse_args()
    choose = random.Random(0).choice  # noqa: S311 - nothing secret
    table = [{"name": choose(NAMES), "thing": choose(THINGS), "place": choose(PLACES)} for _ in range(options.rows)]
    mapped, called = [], []
    with own_model_kernel(threads=options.threads):
        by_map(table[:50], options.tokens)
        by_calls(table[:5], options.tokens)

        def measure_map() -> None:
            mapped.append(by_map(table, options.tokens))

        def measure_calls() -> None:
            called.append(by_calls(table[: options.calls], options.tokens) * options.rows / options.calls)

        for order in fair_rounds((measure_map, measure_calls), options.rounds):
            for measure in order:
                measure()
    ratio = statistics.median(calls / map_ for calls, map_ in zip(called, mapped, strict=True))
    print(
        f"{options.rows:,} rows of at most {options.tokens} tokens, storyteller, {os.cpu_count()} cores, "
        f"median of {options.rounds} (smallest to largest)\n"
    )
    heading("", "seconds", "rows/s")
    scaled = f"one `gpt.generate` a row, {options.calls} measured and scaled"
    for name, seconds in (("`gpt.map`", mapped), (scaled, called)):
        row(name, spread(seconds), f"{options.rows / statistics.median(seconds):.0f}")
    print(f"\nratio {ratio:.1f}, promised {PROMISED:g}: {met(ratio >= PROMISED)}")
    if ratio < PROMISED:
        raise SystemExit(1)


def by_map(table: list[dict[str, str]], tokens: int) -> float:
    """Return the seconds that a map over a table takes."""
    began = time.perf_counter()
    texts = gpt.map(table, TEMPLATE, max_new_tokens=tokens, seed=1)
    seconds = time.perf_counter() - began
    assert all(texts), f"{texts.count(None)} rows failed"
    return seconds


def by_calls(table: list[dict[str, str]], tokens: int) -> float:
    """Return the seconds that one call after the other takes."""
    began = time.perf_counter()
    for each in table:
        gpt.generate(TEMPLATE.format_map(each), max_new_tokens=tokens, seed=1)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
