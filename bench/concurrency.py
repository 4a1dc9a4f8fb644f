"""Many streams at once on one set of weights, beside `transformers.generate` and `transformers serve`.

    python bench/concurrency.py [--rounds 3] [--tokens 128] [--prompt 32] [--threads 2] [--peers batch calls serve …]

A model kernel of its own has a model of GPT-2's 124 M shape with random weights in bfloat16; nothing is downloaded. Eight
threads of this process stream a greedy completion each, over the model kernel's Unix socket. The peers go on from as many
prompts of the same length: `generate` with all in one batch, `generate` called for one after the other, both in a process
that has the model loaded and is idle otherwise, and eight streams of `transformers serve`, without and with its continuous
batching. Ours runs beside each peer, before it in one round and after it in the next, so that a machine whose speed drifts
is fair to both; each ratio is of two neighbours in a round. Every prompt is a new one: nothing is known of it. Rates are of
all tokens from the first request to the last token. The model kernel tells OpenMP for itself how its threads wait for each
other (`gpt_notebook/openmp.py`); the peers run as their users would run them.

Then sixteen streams: how much of its completion the last of them has when the first is done. And a ninth stream that comes
while eight run, at any moment of a step: how long its first token takes beyond what it takes when nobody else is there,
counted in steps of those that run.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fair_rounds import fair_rounds
from own_model_kernel import GPT2, own_model_kernel, random_text, save_random_model
from peers import NotServedError, Stream, generate_process, serve_process
from report import Peer, heading, met, row, spread

import gpt_notebook as gpt

STREAMS, MANY = 8, 16
JOINING = 6
"""How many streams join, one after the other, in a round."""
BEFORE_JOINING = 8
"""Tokens that each of those that run has before."""
CONTINUOUS = ("--continuous-batching", "--cb-max-memory-percent", "0.05")
"""Its own default takes most of the memory."""

Measure = Callable[[Sequence[str], int], float]
"""Goes on from prompts by so many tokens each, and returns tokens per second."""

PEERS = {
    "batch": Peer("`generate`, one batch", 1.3),
    "calls": Peer("`generate`, one call after the other", 4.0),
    "serve": Peer("`transformers serve`", None),
    "serve-continuous": Peer("`transformers serve --continuous-batching`", None),
}
ALONE = ""
"""In the place of a peer's name, where none is measured."""
PROMISED_EVENNESS = 0.9
PROMISED_SHARE = 0.5
PROMISED_STEPS = 2.0


def main() -> None:
    """Measure in turns, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=128, help="how many each stream makes")
    parser.add_argument("--prompt", type=int, default=32, help="tokens of each prompt")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="CPU threads of a step, ours and theirs"
    )
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    options = parser.parse_args()
    new_prompts = prompts(options.prompt)
    with tempfile.TemporaryDirectory(prefix="gpt-") as directory, contextlib.ExitStack() as stack:
        model = save_random_model(Path(directory) / "model", GPT2, dtype="bfloat16")
        stack.enter_context(own_model_kernel(threads=options.threads))
        streams(model, new_prompts(STREAMS), 16)  # ours is warm
        print(
            f"GPT-2 shape, bfloat16, prompts of {options.prompt} tokens, {options.tokens} new ones each, "
            f"{options.threads} threads, {os.cpu_count()} cores, median of {options.rounds} (smallest to largest)\n"
        )
        kept = beside_peers(model, new_prompts, options, stack)
        kept &= with_many(model, new_prompts, options)
        kept &= with_newcomers(model, new_prompts, options)
    if not kept:
        raise SystemExit(1)


def prompts(length: int) -> Callable[[int], list[str]]:
    """Return what gives so many prompts that nobody has read before."""
    seeds = itertools.count()
    return lambda count: [random_text(length, seed) for seed in itertools.islice(seeds, count)]


def one_stream(model: str, prompt: str, tokens: int, came: Callable[[int], object] = lambda _: None) -> Stream:
    """Go on from a prompt, each token the most probable one; `came` is called with how many there are."""
    began = time.perf_counter()
    times = []
    for _ in gpt.stream(prompt, model=model, max_new_tokens=tokens, temperature=0):
        times.append(time.perf_counter())
        came(len(times))
    assert len(times) == tokens, f"{len(times)} tokens came instead of {tokens}"
    return Stream(began, tuple(times))


def streams(model: str, given: Sequence[str], tokens: int) -> list[Stream]:
    """Go on from all prompts at once, each in a thread."""
    return at_once(lambda prompt: one_stream(model, prompt, tokens), given)


def at_once(stream: Callable[[str], Stream], given: Sequence[str]) -> list[Stream]:
    """Stream from all prompts, each in a thread, all begun at the same moment."""
    together = threading.Barrier(len(given))

    def begin(prompt: str) -> Stream:
        together.wait()
        return stream(prompt)

    with ThreadPoolExecutor(len(given)) as pool:
        return list(pool.map(begin, given))


def rate(found: Sequence[Stream]) -> float:
    """Return the tokens per second of all streams together."""
    tokens = sum(len(each.times) for each in found)
    return tokens / (max(each.times[-1] for each in found) - min(each.began for each in found))


def evenness(found: Sequence[Stream]) -> float:
    """Return the speed of the slowest stream as a share of the fastest one's."""
    speeds = [each.speed for each in found]
    return min(speeds) / max(speeds)


# --- beside others --------------------------------------------------------------------------------------------------


def beside_peers(
    model: str, new_prompts: Callable[[int], list[str]], options: argparse.Namespace, stack: contextlib.ExitStack
) -> bool:
    """Let ours and each peer take turns, print a table, and return whether the promises are kept."""
    peers: dict[str, Measure] = {}
    for name, measure in peer_measures(model, options, stack):
        measure(new_prompts(STREAMS), 16)  # theirs is warm
        peers[name] = measure
    ours, theirs = in_turns(model, new_prompts, peers, options)
    every = [each for found in ours.values() for each in found]
    heading(f"{STREAMS} streams", "tokens/s", "ours is faster by", "")
    row("`gpt.stream`", spread([rate(found) for found in every]), "", "")
    kept = True
    for name, rates in theirs.items():
        ratios = [rate(mine) / other for mine, other in zip(ours[name], rates, strict=True)]
        ratio, promised = statistics.median(ratios), PEERS[name].promised
        said = ""
        if promised is not None:
            said = f"promised {promised:g}: {met(ratio >= promised)}"
            kept &= ratio >= promised
        row(PEERS[name].name, spread(rates), spread(ratios, 2), said)
    ratio = statistics.median(evenness(found) for found in every)
    print(
        f"\nslowest against fastest of {STREAMS} streams: {spread([evenness(found) for found in every], 2)}, "
        f"promised {PROMISED_EVENNESS:g}: {met(ratio >= PROMISED_EVENNESS)}\n"
    )
    return kept and ratio >= PROMISED_EVENNESS


def in_turns(
    model: str, new_prompts: Callable[[int], list[str]], peers: dict[str, Measure], options: argparse.Namespace
) -> tuple[dict[str, list[list[Stream]]], dict[str, list[float]]]:
    """Measure ours and the peers round after round; return our streams beside each peer, and each peer's rates."""
    ours: dict[str, list[list[Stream]]] = {name: [] for name in [*peers] or [ALONE]}
    theirs: dict[str, list[float]] = {name: [] for name in peers}

    def measure_ours(name: str) -> None:
        ours[name].append(streams(model, new_prompts(STREAMS), options.tokens))

    def measure_peer(name: str) -> None:
        theirs[name].append(peers[name](new_prompts(STREAMS), options.tokens))

    neighbours = [(measure, name) for name in peers for measure in (measure_ours, measure_peer)]
    for number, order in enumerate(fair_rounds(neighbours or [(measure_ours, ALONE)], options.rounds), 1):
        for measure, name in order:
            measure(name)
        print(f"{number} of {options.rounds}", file=sys.stderr)
    return ours, theirs


def peer_measures(
    model: str, options: argparse.Namespace, stack: contextlib.ExitStack
) -> Iterator[tuple[str, Measure]]:
    """Start the peers, which last as long as the stack; say which do not start."""
    if {"batch", "calls"} & {*options.peers}:
        generate = stack.enter_context(generate_process(model, threads=options.threads))
        if "batch" in options.peers:
            yield "batch", lambda given, tokens: len(given) * tokens / generate.seconds([given], tokens)
        if "calls" in options.peers:
            yield (
                "calls",
                lambda given, tokens: len(given) * tokens / generate.seconds([[each] for each in given], tokens),
            )
    for name, given in (("serve", ()), ("serve-continuous", CONTINUOUS)):
        if name in options.peers:
            try:
                yield name, served(model, options.threads, given, stack)
            except NotServedError as error:
                print(f"{PEERS[name].name} is not measured: {error}\n")


def served(model: str, threads: int, options: Sequence[str], stack: contextlib.ExitStack) -> Measure:
    """Start `transformers serve`, and return what measures its streams.

    Raises:
        NotServedError: it does not start, or gives no tokens.
    """
    server = stack.enter_context(serve_process(model, threads=threads, options=options))

    def measure(given: Sequence[str], tokens: int) -> float:
        with server.awake():
            return rate(at_once(lambda prompt: server.complete(prompt, tokens), given))

    measure(["a first prompt"], 4)
    return measure


# --- among themselves -----------------------------------------------------------------------------------------------


def with_many(model: str, new_prompts: Callable[[int], list[str]], options: argparse.Namespace) -> bool:
    """Run twice as many streams, say how far behind the last of them is, and return whether the promise is kept."""
    shares, rates, pauses = [], [], []
    for _ in range(options.rounds):
        found = streams(model, new_prompts(MANY), options.tokens)
        first_end = min(each.times[-1] for each in found)
        shares.append(min(sum(came <= first_end for came in each.times) for each in found) / options.tokens)
        rates.append(rate(found))
        pauses.append(max(later - before for each in found for before, later in itertools.pairwise(each.times)))
    least = min(shares)
    print(
        f"{MANY} streams: {spread(rates)} tokens/s; when the first is done the last has {spread(shares, 2)} of its tokens, "
        f"promised {PROMISED_SHARE:g}: {met(least >= PROMISED_SHARE)}; longest pause {max(pauses) * 1e3:.0f} ms\n"
    )
    return least >= PROMISED_SHARE


def with_newcomers(model: str, new_prompts: Callable[[int], list[str]], options: argparse.Namespace) -> bool:
    """Let streams join running ones, say what their first token took, and return whether the promise is kept."""
    alone, step, joined = [], [], []
    for seed in range(options.rounds):
        alone += [one_stream(model, *new_prompts(1), 1).first for _ in range(JOINING)]
        steps, waits = join(model, new_prompts, options.tokens, random.Random(seed))  # noqa: S311 - nothing secret
        step += steps
        joined += waits
    own, one_step = statistics.median(alone), statistics.median(step)
    steps_waited = [(wait - own) / one_step for wait in joined]
    waited = statistics.median(steps_waited)
    print(
        f"one more stream beside {STREAMS}: first token after {spread([wait * 1e3 for wait in joined])} ms; alone "
        f"{spread([wait * 1e3 for wait in alone])} ms; a step {one_step * 1e3:.1f} ms\nbeyond its own prefill "
        f"{spread(steps_waited, 2)} steps, promised {PROMISED_STEPS:g}: {met(waited <= PROMISED_STEPS)}"
    )
    return waited <= PROMISED_STEPS


def join(
    model: str, new_prompts: Callable[[int], list[str]], tokens: int, choose: random.Random
) -> tuple[list[float], list[float]]:
    """Return the seconds of steps of eight running streams, and those that each newcomer waited for its first token."""
    running = threading.Barrier(STREAMS + 1)
    came: list[list[float]] = [[] for _ in range(STREAMS)]
    enough = threading.Event()

    def run(number: int, prompt: str) -> None:
        began = False
        stream = gpt.stream(prompt, model=model, max_new_tokens=tokens, temperature=0)
        for _ in stream:
            came[number].append(time.perf_counter())
            if not began and len(came[number]) >= BEFORE_JOINING:
                began = True
                running.wait()
            if enough.is_set():
                stream.close()
                return

    with ThreadPoolExecutor(STREAMS) as pool:
        runs = [pool.submit(run, number, prompt) for number, prompt in enumerate(new_prompts(STREAMS))]
        running.wait()
        began = time.perf_counter()
        waits = []
        for prompt in new_prompts(JOINING):
            gaps = [later - before for before, later in itertools.pairwise(came[0][-BEFORE_JOINING:])]
            # At any moment of a step, after some steps without a newcomer.
            time.sleep(statistics.median(gaps) * (2 + choose.random()))
            waits.append(one_stream(model, prompt, 1).first)
        assert max(map(len, came)) < tokens, "a stream was done before the last newcomer came: give more --tokens"
        enough.set()
        for each in runs:
            each.result()
    steps = [later - before for times in came for before, later in itertools.pairwise(times) if before >= began]
    return steps, waits


if __name__ == "__main__":
    main()
