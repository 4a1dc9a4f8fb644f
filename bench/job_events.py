"""What a job's events cost it: the CPU time between its steps, as a share of all.

    python bench/job_events.py [--threads 2]

A job trains an adapter of rank 8 on random letters, 4 samples of 128 tokens a step: once on the storyteller, whose steps are
short, once on a model of GPT-2's 124 M shape with random weights; nothing is downloaded. Its process is that of any job, but
that it notes its CPU time around what it does at the end of each step: to write the event, and to look for commands. The
first step is left out, and so is the end of the last, which saves. The promise: less than 1 % of the CPU time of a step.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from own_model_kernel import save_random_model
from report import heading, met, row
from training_jobs import CONFIG, environment, random_texts, write_job

from gpt_notebook import storyteller

PROMISED = 0.01
SHORT_STEPS, LONG_STEPS = 60, 6


def main() -> None:
    """Measure one job after the other, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads of a job")
    parser.add_argument("--watched", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watched is not None:
        watch(options.watched)
        return
    with tempfile.TemporaryDirectory(prefix="gpt-") as directory:
        place = Path(directory)
        models = (
            ("the storyteller", str(storyteller.path()), SHORT_STEPS),
            ("GPT-2 shape", save_random_model(place / "model", CONFIG), LONG_STEPS),
        )
        heading("a job's step", "CPU ms", "of it events", "share", "")
        kept = True
        for number, (name, model, steps) in enumerate(models):
            kept &= events_share(place / str(number), name, model, steps=steps, threads=options.threads)
    if not kept:
        raise SystemExit(1)


def events_share(place: Path, name: str, model: str, *, steps: int, threads: int) -> bool:
    """Run a job, print a row, and return whether the promise is kept."""
    directory = write_job(place, model, random_texts(steps), method="lora", dtype="float32", max_steps=steps)
    command = [sys.executable, __file__, "--watched", str(directory.path)]
    done = subprocess.run(command, env=environment(threads), check=True, stdout=subprocess.PIPE)
    events, whole = json.loads(done.stdout.splitlines()[-1])
    share = events / whole
    verdict = f"promised {PROMISED:.0%}: {met(share < PROMISED)}"
    row(name, f"{whole * 1e3:.1f}", f"{events * 1e3:.3f}", f"{share:.2%}", verdict)
    return bool(share < PROMISED)


def watch(directory: Path) -> None:
    """Be the process of a job, and print the CPU seconds of a step: of what it does at its end, and of all."""
    from gpt_notebook.training.__main__ import main as train
    from gpt_notebook.training.step_callback import StepCallback

    on_step_end = StepCallback.on_step_end
    ended: list[tuple[float, float]] = []

    def watched(*arguments: Any, **named: Any) -> None:
        began = time.thread_time()
        on_step_end(*arguments, **named)  # the last one leaves, and saves before: it isn't counted
        ended.append((time.thread_time() - began, time.process_time()))

    StepCallback.on_step_end = watched
    sys.argv[1:] = [str(directory)]
    train()
    seconds = [later[1] - before[1] for before, later in itertools.pairwise(ended)]
    print(json.dumps([statistics.fmean(each for each, _ in ended[1:]), statistics.fmean(seconds)]))


if __name__ == "__main__":
    main()
