"""The attention of a long text: `gpt.attention` beside BertViz.

    python bench/attention.py [--rounds 3] [--lengths 128 512 1024 4096] [--llama-lengths 1024]

Takes a model of GPT-2's 124 M shape with a longer context, and one with the 32 layers of 32 heads of a 7 B Llama, both with
random weights made here; of the Llama all but the heads is small (hidden size 1,024, 32 dimensions a head, an MLP of
256, 512 words), so that it fits a small machine. Ours is asked through the public API, in a fresh model kernel each
time, of which the memory is read; BertViz gets eager attentions in a fresh process each time, and is given up once it
fails. Ours comes before BertViz in each round. MB are 10⁶ bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from own_model_kernel import GPT2, forget_peak, memory, own_model_kernel, random_text, save_random_model
from report import heading, met, numbers, row

import gpt_notebook as gpt

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "hidden_size": 1024,
    "intermediate_size": 256,
    "vocab_size": 512,
    "max_position_embeddings": 4096,
}
WARM_UP = 64
"""Tokens of a first attention, which is not measured."""
TILE = 512
TILES, HEADS, OVERVIEWS = 20, 5, 3
"""How often each question is asked in a round."""


Figures = dict[str, float]
"""Seconds and bytes by name."""


class Promise(NamedTuple):
    """A figure of the GPT-2 shape that must not be exceeded."""

    text: str
    length: int
    figure: str
    most: float
    unit: float
    """What the limit and the figure are given in."""


PROMISES = (
    Promise("q and k at n = 4,096: at most 320 MB", 4096, "kept", 320, 1e6),
    Promise("the model kernel's growth at n = 4,096: at most 320 MB", 4096, "grown", 320, 1e6),
    Promise("any 512 x 512 tile at n = 4,096: at most 150 ms", 4096, "tile worst", 150, 1e-3),
    Promise("one full head at n = 4,096: at most 300 ms", 4096, "head", 300, 1e-3),
    Promise("means of all 144 heads at n = 512: at most 0.3 s", 512, "mean", 0.3, 1),
    Promise("maxima of all 144 heads at n = 512: at most 0.3 s", 512, "max", 0.3, 1),
)


def main() -> None:
    """Measure both shapes, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lengths", type=int, nargs="*", default=[128, 512, 1024, 4096], help="tokens")
    parser.add_argument("--llama-lengths", type=int, nargs="*", default=[1024], help="tokens")
    parser.add_argument("--peer-memory", type=float, default=16, help="what BertViz may take, in GB")
    parser.add_argument("--peer-seconds", type=float, default=600, help="how long BertViz may take")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, median of {options.rounds}")
    kept = True
    for name, config, lengths in (
        ("GPT-2 shape, 12 layers of 12 heads", GPT2, options.lengths),
        ("Llama shape, 32 layers of 32 heads", LLAMA, options.llama_lengths),
    ):
        if lengths:
            with tempfile.TemporaryDirectory(prefix="gpt-") as directory:
                model = save_random_model(Path(directory) / "model", config)
                limits = int(options.peer_memory * 1e9), options.peer_seconds
                ours, peer = measure(model, lengths, options.rounds, limits)
            print(f"\n## {name}\n")
            print_beginning(ours, peer)
            print_answers(ours)
            if config is GPT2:
                kept = print_promises(ours)
    if not kept:
        raise SystemExit(1)


def measure(
    model: str, lengths: Sequence[int], rounds: int, limits: tuple[int, float]
) -> tuple[dict[int, Figures], dict[int, Figures | str]]:
    """Return the figures of ours and of BertViz by length; for BertViz why there are none, once it has failed."""
    ours: dict[int, Figures] = {}
    peer: dict[int, Figures | str] = {}
    failure = ""
    for length in lengths:
        rounds_of_ours, rounds_of_peer = [], []
        for seed in range(rounds):
            rounds_of_ours.append(figures_of_ours(model, length, seed))
            if not failure:
                found = figures_of_bertviz(model, length, limits)
                rounds_of_peer.append(found)
                failure = str(found.get("failed", ""))
        ours[length] = together(rounds_of_ours)
        peer[length] = (failure if rounds_of_peer else "not tried any more") if failure else together(rounds_of_peer)
        print(f"n = {length} is done", file=sys.stderr)
    return ours, peer


def together(rounds: Sequence[Figures]) -> Figures:
    """Return the medians of figures, and of a worst one the worst."""
    return {
        name: (max if name.endswith("worst") else statistics.median)(each[name] for each in rounds)
        for name in rounds[0]
    }


def figures_of_ours(model: str, length: int, seed: int) -> Figures:
    """Record a text in a fresh model kernel and ask about it."""
    choose = random.Random(seed)  # noqa: S311 - nothing secret
    with own_model_kernel():
        short = gpt.attention(random_text(WARM_UP), model=model)
        short.map(0, 0), short.overview(), short.overview(reduction="max")
        process_id = gpt.status().pid
        before, kept_before = memory(process_id), gpt.status().memory.captures
        forget_peak(process_id)
        seconds, attention = timed(lambda: gpt.attention(random_text(length), model=model))
        after = memory(process_id)
        figures = {
            "record": seconds,
            "kept": gpt.status().memory.captures - kept_before,
            "grown": after.anonymous - before.anonymous,
            "record peak": after.peak - before.resident,
        }
        assert len(attention.tokens) == length

        def place() -> tuple[int, int]:
            return choose.randrange(attention.n_layers), choose.randrange(attention.n_heads)

        def stretch() -> tuple[int, int]:
            first = choose.randrange(max(1, length - TILE + 1))
            return first, min(length, first + TILE)

        figures |= several("mean", OVERVIEWS, attention.overview)
        figures |= several("max", OVERVIEWS, lambda: attention.overview(reduction="max"))
        figures |= several("head", HEADS, lambda: attention.map(*place()))
        figures |= several("tile", TILES, lambda: attention.map(*place(), queries=stretch(), keys=stretch()))
        figures["peak"] = memory(process_id).peak - before.resident
        return figures


def several(name: str, times: int, ask: Callable[[], Any]) -> Figures:
    """Return the median and the worst of the seconds that a question takes, and the bytes of its answer."""
    answers = [timed(ask) for _ in range(times)]
    seconds = [each for each, _ in answers]
    return {
        name: statistics.median(seconds),
        f"{name} worst": max(seconds),
        f"{name} bytes": answers[0][1].nbytes,
    }


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return how many seconds a call takes, and its result."""
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def figures_of_bertviz(model: str, length: int, limits: tuple[int, float]) -> dict[str, Any]:
    """Make a view of all heads in a process with limits; says under "failed" why there is none."""
    most_bytes, most_seconds = limits
    program = Path(__file__).with_name("bertviz_view.py")
    command = [sys.executable, str(program), model, str(length), str(most_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            output, errors = process.communicate(timeout=most_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return {"failed": f"not done after {most_seconds:g} s"}
    figures: dict[str, Any] = {}
    for line in output.splitlines():
        figures |= json.loads(line)
    if process.returncode < 0:
        return {"failed": f"killed by signal {-process.returncode}"}
    if process.returncode:
        raise RuntimeError(errors)
    return figures


def print_beginning(ours: dict[int, Figures], peer: dict[int, Figures | str]) -> None:
    """Print what it takes until a viewer can begin: ours has means of all heads, BertViz its page."""
    print("What a viewer needs to begin: of ours the overview of all heads, of BertViz its page. The peaks are beyond")
    print("the loaded weights, ours with all questions of the next table.\n")
    columns = [
        "ours: recorded s",
        "overview s",
        "sent MB",
        "peak MB",
        "BertViz: forward s",
        "page s",
        "page MB",
        "peak MB",
    ]
    heading("n", *columns)
    for length, each in ours.items():
        mine = [each["record"], each["mean"], each["mean bytes"] / 1e6, each["peak"] / 1e6]
        cells = [theirs := peer[length], "", "", ""]
        if not isinstance(theirs, str):
            cells = numbers([theirs["forward"], theirs["view"], theirs["bytes"] / 1e6, theirs["peak"] / 1e6])
        row(f"{length:,}", *numbers(mine), *cells)


def print_answers(ours: dict[int, Figures]) -> None:
    """Print what the model kernel keeps, and how soon it answers."""
    print("\nThe model kernel's memory beyond the weights, and answers: the median, and in brackets the worst.\n")
    columns = ["q and k MB", "growth MB", "peak while recording MB", "one head ms", "its MB", "512 x 512 tile ms"]
    heading("n", *columns, "means of all heads s", "maxima s")
    for length, each in ours.items():
        sizes = [each[name] / 1e6 for name in ("kept", "grown", "record peak")]
        cells = [f"{length:,}", *numbers(sizes), with_worst(each, "head", 1e-3), *numbers([each["head bytes"] / 1e6])]
        row(*cells, *(with_worst(each, name, unit) for name, unit in (("tile", 1e-3), ("mean", 1), ("max", 1))))


def print_promises(ours: dict[int, Figures]) -> bool:
    """Print which promises hold; return whether all do."""
    print()
    heading("promised", "measured", "")
    kept = True
    for promise in PROMISES:
        if promise.length in ours:
            value = ours[promise.length][promise.figure] / promise.unit
            row(promise.text, *numbers([value]), met(value <= promise.most))
            kept &= value <= promise.most
    return kept


def with_worst(figures: Figures, name: str, unit: float) -> str:
    """Return a median and the worst."""
    median, worst = numbers([figures[name] / unit, figures[f"{name} worst"] / unit])
    return f"{median} ({worst})"


if __name__ == "__main__":
    main()
