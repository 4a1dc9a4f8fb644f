"""Fine-tuning: a job beside a loop in plain PyTorch, transformers' Trainer and TRL's SFTTrainer.

    python bench/finetune.py [--steps 30] [--rounds 4] [--methods lora full] [--dtypes float32 bfloat16]
                             [--peers bare trainer trl trl-default] [--threads 2]

A model of GPT-2's 124 M shape with random weights is trained on random letters, 4 samples of 128 tokens a step, whole or by
an adapter of rank 8 on all linear layers; nothing is downloaded. Ours is the whole process of a job, with its events and
everything else it does between two steps. The peers (bench/training_peers.py) are processes of their own at the same
niceness, with the same first weights, samples in the same order, learning rates, optimizer and clipping; dropout is off, as
everybody would draw it otherwise.

All are started and have done their first steps, then they take turns: one runs, the others are stopped. A turn's first step,
which was begun before the stop, is left out. The speed of a turn is of its median step, from the moment that a step is told
to the next, and each ratio is of two turns of the same round; every other round goes backwards. The losses are compared step
by step: how far the worst is apart, relative to the peer's.

Then: how much of a job's CPU time goes into what it tells, with this model and with the storyteller, whose steps are short.

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
from typing import Any, NamedTuple

import psutil
import training_peers
from own_model_kernel import GPT2, random_text, save_random_model
from report import heading, row, spread

from gpt_notebook import storyteller
from gpt_notebook.job_files.directory import JobDirectory, JobSpec
from gpt_notebook.job_files.journal import Reader
from gpt_notebook.job_protocol import JobOptions, JobRequest, LoraOptions, StepDone

CONFIG = GPT2 | {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
SAMPLES, LENGTH, RANK = 4, 128, 8
LEARNING_RATES = {"lora": 1e-3, "full": 1e-4}
WARM_UP = 2
"""Steps before the first turn."""
NICENESS = 5
"""What a job adds to its own."""
NEVER = 10**9
OURS = "ours"
LOOK_SECONDS = 0.01
PROMISED_LOSS = 0.01
PROMISED_EVENTS = 0.01


class Peer(NamedTuple):
    """Something to be measured beside."""

    name: str
    promised: float | None
    """How many times as fast ours is to be."""


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
    parser.add_argument("--no-events", action="store_true", help="leave out what the events take")
    parser.add_argument("--watched", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watched is not None:
        watch(options.watched)
        return
    if (options.steps - WARM_UP) // options.rounds < 2:  # noqa: PLR2004 - the first is left out
        parser.error("a turn needs at least two steps: give more --steps, or fewer --rounds")
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
        if not options.no_events:
            kept &= events_share(place / "events", model, options.threads)
    if not kept:
        raise SystemExit(1)


# --- beside others --------------------------------------------------------------------------------------------------


class Side:
    """A process that trains; it is stopped but for its turns."""

    def __init__(self, name: str, command: Sequence[str], news: Callable[[], list[Step]], *, threads: int) -> None:
        """Start it."""
        self.name = name
        self.steps: list[Step] = []
        self._news = news
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        environment = {**os.environ, "GPT_NOTEBOOK_DEVICE": "cpu", "GPT_NOTEBOOK_THREADS": str(threads)}
        self._process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log)

    def turn(self, count: int) -> Turn:
        """Let it do so many steps; the first of them is not counted in its speed."""
        first, before = len(self.steps), self._cpu_seconds()
        self._process.send_signal(signal.SIGCONT)
        while len(self.steps) < first + count:
            if self._process.poll() is not None:
                self._log.seek(0)
                sys.exit(f"{self.name} has ended:\n{self._log.read()[-2000:]}")
            time.sleep(LOOK_SECONDS)
            self.steps += self._news()
        self._process.send_signal(signal.SIGSTOP)
        done = self.steps[first : first + count]
        seconds = statistics.median(later.time - before.time for before, later in itertools.pairwise(done))
        return Turn(done[0].tokens / seconds, (self._cpu_seconds() - before) / count)

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
    texts = [random_text(LENGTH, seed) for seed in range(options.steps * SAMPLES)]
    directory = job(place, model, texts, method=method, dtype=dtype, steps=options.steps)
    starts = {OURS: functools.partial(start_job, directory, options.threads)}
    for name in options.peers:
        given = training_peers.Given(
            peer=name,
            model=model,
            method=method,
            dtype=dtype,
            rank=RANK,
            learning_rate=LEARNING_RATES[method],
            threads=options.threads,
            niceness=NICENESS,
            steps=in_order(texts),
            lines=str(place / f"{name}.jsonl"),
        )
        starts[name] = functools.partial(start_peer, given, place / f"{name}.json")
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
        for number in range(rounds):
            for name in reversed(starts) if number % 2 else starts:
                turns[name].append(sides[name].turn(a_turn))
            print(f"{number + 1} of {rounds}", file=sys.stderr)
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


def job(place: Path, model: str, texts: Sequence[str], *, method: str, dtype: str, steps: int) -> JobDirectory:
    """Write a job's directory, as a model kernel does."""
    directory = JobDirectory(place / "jobs" / "measured")
    directory.create()
    directory.data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    chosen: dict[str, Any] = {"method": method, "dtype": dtype}
    options = JobOptions(
        **chosen,
        max_steps=steps,
        learning_rate=LEARNING_RATES[method],
        warmup_steps=0,
        batch_size=SAMPLES,
        micro_batch_size=SAMPLES,
        lora=LoraOptions(rank=RANK),
        save_every=NEVER,
    )
    request = JobRequest(data="0" * 64, model=model, name=directory.name, options=options)
    directory.write_spec(
        JobSpec(
            id="measured",
            name=directory.name,
            created=time.time(),
            request=request,
            source=model,
            fingerprint="random",
        )
    )
    return directory


def start_job(directory: JobDirectory, threads: int) -> Side:
    """Start the process of a job."""
    events = Reader(directory.events)

    def news() -> list[Step]:
        return [Step(each.time, each.loss, each.tokens) for each in events.read() if isinstance(each, StepDone)]

    command = [sys.executable, "-m", "gpt_notebook.training", str(directory.path)]
    return Side("a job", command, news, threads=threads)


def start_peer(given: training_peers.Given, path: Path) -> Side:
    """Start a peer, given what it needs in a file."""
    training_peers.write(path, given)
    lines = Path(given.lines)
    lines.touch()
    read = 0

    def news() -> list[Step]:
        nonlocal read
        whole = [line for line in lines.read_text().splitlines(keepends=True)[read:] if line.endswith("\n")]
        read += len(whole)
        return [Step(**json.loads(line)) for line in whole]

    program = str(Path(training_peers.__file__))
    return Side(PEERS[given.peer].name, [sys.executable, program, str(path)], news, threads=given.threads)


# --- events ---------------------------------------------------------------------------------------------------------


def events_share(place: Path, model: str, threads: int) -> bool:
    """Say how much of a job's CPU time is spent between its steps, and return whether the promise is kept."""
    heading("a job's step", "CPU ms", "of it events", "share", "")
    kept = True
    for name, base, steps in (("the storyteller", str(storyteller.path()), 60), ("GPT-2 shape", model, 6)):
        texts = [random_text(LENGTH, seed) for seed in range(steps * SAMPLES)]
        directory = job(place / name.replace(" ", "-"), base, texts, method="lora", dtype="float32", steps=steps)
        command = [sys.executable, __file__, "--watched", str(directory.path)]
        environment = {**os.environ, "GPT_NOTEBOOK_DEVICE": "cpu", "GPT_NOTEBOOK_THREADS": str(threads)}
        said = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
        events, all_of_it = json.loads(said.splitlines()[-1])
        share = events / all_of_it
        kept &= share < PROMISED_EVENTS
        row(
            name,
            f"{all_of_it * 1e3:.1f}",
            f"{events * 1e3:.3f}",
            f"{share:.2%}",
            f"promised {PROMISED_EVENTS:.0%}: {met(share < PROMISED_EVENTS)}",
        )
    return kept


def watch(directory: str) -> None:
    """Be the process of a job, and print the CPU seconds of a step: of what it does at its end, and of all."""
    from gpt_notebook.training.__main__ import main as train
    from gpt_notebook.training.reporter import Reporter

    on_step_end = Reporter.on_step_end
    ended: list[tuple[float, float]] = []

    def watched(*arguments: Any, **named: Any) -> None:
        began = time.thread_time()
        on_step_end(*arguments, **named)  # the last one leaves, and saves before: it isn't counted
        ended.append((time.thread_time() - began, time.process_time()))

    Reporter.on_step_end = watched
    sys.argv[1:] = [directory]
    train()
    seconds = [later[1] - before[1] for before, later in itertools.pairwise(ended)]
    print(json.dumps([statistics.fmean(each for each, _ in ended[1:]), statistics.fmean(seconds)]))


def met(kept: bool) -> str:  # noqa: FBT001 - it reads well
    """Say whether a promise is kept."""
    return "met" if kept else "NOT met"


if __name__ == "__main__":
    main()
