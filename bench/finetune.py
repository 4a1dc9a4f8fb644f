"""Fine-tuning: a job beside a loop in plain PyTorch, transformers' Trainer and TRL's SFTTrainer.

    python bench/finetune.py [--steps 30] [--rounds 4] [--methods lora full] [--dtypes float32 bfloat16]
                             [--peers bare trainer trl trl-default] [--threads 2]

A model of GPT-2's 124 M shape with random weights is trained on random letters, 4 samples of 128 tokens a step, whole or by
an adapter of rank 8 on all linear layers; nothing is downloaded. Ours is the whole process of a job, with its events and
everything else it does between two steps. The peers (bench/training_peers.py) are processes of their own at the same
niceness, with the same first weights, samples in the same order, learning rates, optimizer and clipping; dropout is off, as
everybody would draw it otherwise. One difference stays: a job tells OpenMP for itself how its threads wait for each other
(`gpt_notebook/openmp.py`); the peers run as their users would run them, with what OpenMP does by itself.

All are started and have done their first steps, then they take turns: one runs, the others are stopped. A turn begins to
count with the first step that ends in it. The speed of a turn is of its median step, from the moment that a step is told to
the next, and each ratio is of two turns of the same round; every other round goes backwards. The losses are compared step
by step: how far the worst is apart, relative to the peer's.

TRL is no part of the development environment: `pip install --group bench`. What isn't there is left out, and said.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
import training_peers
from fair_rounds import fair_rounds
from own_model_kernel import save_random_model
from report import Peer, heading, met, row, spread
from training_jobs import ALPHA, CONFIG, LEARNING_RATES, LENGTH, RANK, SAMPLES, environment, random_texts, write_job

from gpt_notebook.job_events import StepDone
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Reader
from gpt_notebook.training.__main__ import POLITENESS

WARM_UP = 2
"""Steps before the first turn."""
LEAST = 3
"""Steps that count in a turn: a median of fewer than two intervals is none."""
OURS = "ours"
LOOK_SECONDS = 0.01
PROMISED_LOSS = 0.01
PEERS = {
    "bare": Peer("a loop in plain PyTorch", 0.95),
    "trainer": Peer("transformers' Trainer", None),
    "trl": Peer("TRL's SFTTrainer", 1.0),
    "trl-default": Peer("TRL's SFTTrainer with its gradient checkpointing", None),
}


class Step(NamedTuple):
    """A step that has been done."""

    time: float
    """When it was told, in seconds since 1970."""
    loss: float
    tokens: int


class Turn(NamedTuple):
    """How a process trained while it was its turn."""

    speed: float
    """Tokens per second."""
    cpu_seconds: float
    """That a step took of all processors together, waiting in a loop for each other included."""


def main() -> None:
    """Measure in turns, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=30, help="how many each of them does")
    parser.add_argument("--rounds", type=int, default=4, help="in how many turns it does them")
    parser.add_argument("--methods", nargs="*", choices=LEARNING_RATES, default=list(LEARNING_RATES))
    parser.add_argument("--dtypes", nargs="*", choices=("float32", "bfloat16"), default=["float32", "bfloat16"])
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads, ours and theirs")
    options = parser.parse_args()
    if (options.steps - WARM_UP) // options.rounds < LEAST:
        parser.error(
            f"{options.rounds} rounds of {LEAST} steps need --steps {WARM_UP + LEAST * options.rounds}: "
            f"give more than {options.steps}, or fewer --rounds"
        )
    for name in options.peers:
        if lacking := training_peers.missing(name):
            print(f"{PEERS[name].name} is not measured: there is no {' and no '.join(lacking)}\n")
    options.peers = [name for name in options.peers if not training_peers.missing(name)]
    with tempfile.TemporaryDirectory(prefix="gpt-") as directory:
        place = Path(directory)
        model = save_random_model(place / "model", CONFIG)
        print(
            f"GPT-2 shape, {SAMPLES} x {LENGTH} tokens a step, {options.steps} steps, {options.threads} threads, "
            f"{os.cpu_count()} cores, median of {options.rounds} turns (smallest to largest)\n"
        )
        kept = True
        for method, dtype in itertools.product(options.methods, options.dtypes):
            kept &= beside_peers(place / f"{method}-{dtype}", model, method, dtype, options)
    if not kept:
        raise SystemExit(1)


class Side:
    """A process that trains; it is stopped but for its turns."""

    def __init__(self, name: str, command: Sequence[str], news: Callable[[], list[Step]], *, threads: int) -> None:
        """Start it."""
        self.name = name
        self.steps: list[Step] = []
        self._news = news
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(command, env=environment(threads), stdout=self._log, stderr=self._log)

    def turn(self, count: int) -> Turn:
        """Let it do so many steps."""
        began, before = time.time(), self._cpu_seconds()
        self._process.send_signal(signal.SIGCONT)
        done: list[Step] = []
        while len(done) < count:
            if self._process.poll() is not None:
                self._log.seek(0)
                sys.exit(f"{self.name} has ended:\n{self._log.read()[-2000:]}")
            time.sleep(LOOK_SECONDS)
            self.steps += self._news()
            # One that ended between the last look and the stop is of the turn before: the others' turns lie after it.
            done = [each for each in self.steps if each.time > began]
        self._process.send_signal(signal.SIGSTOP)
        seconds = statistics.median(later.time - earlier.time for earlier, later in itertools.pairwise(done))
        return Turn(done[0].tokens / seconds, (self._cpu_seconds() - before) / len(done))

    def _cpu_seconds(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def end(self) -> None:
        """End it, at whatever it does."""
        self._process.kill()
        self._process.wait()
        self._log.close()


def beside_peers(place: Path, model: str, method: str, dtype: str, options: argparse.Namespace) -> bool:
    """Let ours and the peers take turns, print a table, and return whether the promises are kept."""
    place.mkdir()
    # Nobody is to be done before its last turn is: a step may end in each stop.
    texts = random_texts(options.steps + options.rounds + 1)
    directory = write_job(place, model, texts, method=method, dtype=dtype, max_steps=len(texts) // SAMPLES)
    starts = {OURS: functools.partial(start_job, directory, options.threads)}
    for name in options.peers:
        config = training_peers.PeerConfig(
            peer=name,
            model=model,
            method=method,
            dtype=dtype,
            rank=RANK,
            alpha=ALPHA,
            learning_rate=LEARNING_RATES[method],
            threads=options.threads,
            niceness=POLITENESS,
            steps=in_order(texts),
            report=str(place / f"{name}.jsonl"),
        )
        starts[name] = functools.partial(start_peer, config, place / f"{name}.json")
    sides, turns = take_turns(starts, options.rounds, (options.steps - WARM_UP) // options.rounds)
    heading(f"{method}, {dtype}", "tokens/s", "ours is faster by", "", "CPU s a step", "losses apart by", "")
    losses = f"{sides[OURS].steps[0].loss:.3f} to {sides[OURS].steps[-1].loss:.3f}"
    row("a job", spread([each.speed for each in turns[OURS]]), "", "", cpu_seconds(turns[OURS]), losses, "")
    kept = True
    for name in options.peers:
        ratios = [mine.speed / other.speed for mine, other in zip(turns[OURS], turns[name], strict=True)]
        ratio, promised = statistics.median(ratios), PEERS[name].promised
        both = zip(sides[OURS].steps, sides[name].steps, strict=False)
        apart = max(abs(mine.loss - other.loss) / other.loss for mine, other in both)
        kept &= (promised is None or ratio >= promised) and apart <= PROMISED_LOSS
        row(
            PEERS[name].name,
            spread([each.speed for each in turns[name]]),
            spread(ratios, 2),
            "" if promised is None else f"promised {promised:g}: {met(ratio >= promised)}",
            cpu_seconds(turns[name]),
            f"{apart:.2%}",
            f"promised {PROMISED_LOSS:.0%}: {met(apart <= PROMISED_LOSS)}",
        )
    print()
    return kept


def take_turns(
    starts: dict[str, Callable[[], Side]], rounds: int, a_turn: int
) -> tuple[dict[str, Side], dict[str, list[Turn]]]:
    """Start everybody, let them take turns of so many steps, and return them, ended, with their turns."""
    sides: dict[str, Side] = {}
    turns: dict[str, list[Turn]] = {name: [] for name in starts}
    with contextlib.ExitStack() as stack:
        for name, start in starts.items():
            sides[name] = start()
            stack.callback(sides[name].end)
            sides[name].turn(WARM_UP)
        for number, order in enumerate(fair_rounds(list(starts), rounds), 1):
            for name in order:
                turns[name].append(sides[name].turn(a_turn))
            print(f"{number} of {rounds}", file=sys.stderr)
    return sides, turns


def cpu_seconds(turns: Sequence[Turn]) -> str:
    """Return what a step takes of all processors together."""
    return f"{statistics.median(each.cpu_seconds for each in turns):.2f}"


def in_order(texts: Sequence[str]) -> list[list[str]]:
    """Return the texts of each step, as a job draws them in its first epoch."""
    from gpt_notebook.training.step_batches import StepBatches

    sizes = [len(text) for text in texts]
    drawn = StepBatches(sizes, batch_size=SAMPLES, micro_batch_size=SAMPLES, seed=0, epoch=lambda: 0)
    return [[texts[index] for index in step] for step in drawn]


def start_job(directory: JobDirectory, threads: int) -> Side:
    """Start the process of a job."""
    events = Reader(directory.events)

    def news() -> list[Step]:
        return [Step(each.time, each.loss, each.tokens) for each in events.read() if isinstance(each, StepDone)]

    command = [sys.executable, "-m", "gpt_notebook.training", str(directory.path)]
    return Side("a job", command, news, threads=threads)


def start_peer(config: training_peers.PeerConfig, path: Path) -> Side:
    """Start a peer, with what it reads in a file."""
    training_peers.write(path, config)
    report = Path(config.report)
    report.touch()
    read = 0

    def news() -> list[Step]:
        nonlocal read
        whole = [line for line in report.read_text().splitlines(keepends=True)[read:] if line.endswith("\n")]
        read += len(whole)
        return [Step(**json.loads(line)) for line in whole]

    program = str(Path(training_peers.__file__))
    return Side(PEERS[config.peer].name, [sys.executable, program, str(path)], news, threads=config.threads)


if __name__ == "__main__":
    main()
