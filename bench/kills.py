"""Processes killed while they save checkpoints: what the next one finds.

    python bench/kills.py [--kills 1000] [--in-place 100]

A light process saves checkpoint after checkpoint of a job, acknowledges each among the job's events and prunes, until it is
killed with SIGKILL: at a moment drawn after a save has begun, which is mostly inside it. Whoever comes next must find the
lock free and the newest checkpoint that was acknowledged, or a newer one, with every byte as it was written, nothing
temporary once that is cleaned up, and events whose numbers count up. Draws go on until 60 kills, or 30 %, were inside a
save. The same then with checkpoints that are written where they stay, without a manifest, as a trainer does by itself.

The default takes about a minute, and finds what goes wrong often; for what goes wrong rarely, ask for 5,000.

A power cut is another matter, which no kill shows: tests/job_files/test_power_cuts.py has it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from gpt_notebook.job_events import CheckpointSaved, StateChanged, StepDone
from gpt_notebook.job_files import journal, lock
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal

FILES = {
    "adapter_config.json": 700,
    "adapter_model.safetensors": 160_000,
    "README.md": 2_000,
    "optimizer.pt": 320_000,
    "scheduler.pt": 1_000,
    "rng_state.pth": 14_000,
    "trainer_state.json": 9_000,
}
"""Bytes of what a small adapter's checkpoint consists of."""
PIECE = 32_000
"""Bytes that are written at once."""
ENOUGH, SHARE = 60, 0.3
"""So many kills inside a save, or this share of them, make a test."""
FEW_SAVES = 3
A_JOB = 200
"""Kills, after which another job begins: reading the events of one that is as old takes longer than saving."""
BEGINS, SAVED, ACKNOWLEDGED, PRUNED = "begins", "saved", "acknowledged", "pruned"
WHERE = {BEGINS: "in a save", SAVED: "before it was acknowledged", ACKNOWLEDGED: "while pruning", PRUNED: "between two"}


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--in-place", type=int, default=100, help="kills of a process that writes checkpoints in place")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--carelessly", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.save is not None:
        save_whenever_asked(JobDirectory(arguments.save), saving_in_place if arguments.carelessly else saving)
        return

    from report import heading, row

    heading("checkpoints", "kills", *WHERE.values(), "newest unreadable or lost")
    for title, count, carelessly in (("ours", arguments.kills, False), ("in place", arguments.in_place, True)):
        found, bad = kill_saves(kills=count, seed=arguments.seed, carelessly=carelessly)
        row(title, str(found.total()), *(str(found[each]) for each in WHERE), str(bad))
        assert carelessly or not bad, "a checkpoint that was acknowledged does not load"


# --- the process that is killed -------------------------------------------------------------------------------------


def save_whenever_asked(directory: JobDirectory, save: Callable[[JobDirectory, Callable[[str], None]], None]) -> None:
    """Fork off a process that saves for each line that comes in, and say when it has died: starting Python takes longer."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            random.seed(line)
            save(directory, say)
        say(f"pid {pid}")
        os.waitpid(pid, 0)
        say("dead")


def say(line: str) -> None:
    """Print a line at once and whole."""
    os.write(sys.stdout.fileno(), line.encode() + b"\n")


def saving(directory: JobDirectory, tell: Callable[[str], None]) -> None:
    """Be a job's attempt that does nothing but save, for good."""
    checkpoints, attempt = Checkpoints(directory), Journal.next_attempt(directory.events)
    with lock.hold(directory) as held, Journal(directory.events, attempt=attempt) as events:
        assert held, "nobody lives who could hold the lock"
        events.write(StateChanged, state="running")
        checkpoints.clean()
        # From what was acknowledged, so that sometimes a step is saved that is there already.
        step = newest_acknowledged(directory)
        whole = random.random() < SHARE  # noqa: S311 - to be drawn again
        while True:
            step += 1
            events.write(StepDone, **step_fields(step))
            tell(f"{BEGINS} {step}")
            saved = checkpoints.save(step, writer(step))
            tell(f"{SAVED} {step}")
            events.write(CheckpointSaved, step=step, bytes=saved.bytes, digest=saved.digest, seconds=0.0)
            tell(f"{ACKNOWLEDGED} {step}")
            checkpoints.prune(keep_last=2, best=[step - 2] if step % 7 == 0 else [], whole=whole)
            tell(f"{PRUNED} {step}")


def saving_in_place(directory: JobDirectory, tell: Callable[[str], None]) -> None:
    """Do the same as if nothing could happen."""
    step = max(Checkpoints(directory).steps(), default=0)
    while True:
        step += 1
        tell(f"{BEGINS} {step}")
        place = directory.checkpoints / str(step)
        place.mkdir(parents=True, exist_ok=True)
        writer(step)(place)
        tell(f"{PRUNED} {step}")


def writer(step: int) -> Callable[[Path], None]:
    """Return what writes the files of a step, as others do: some of it, and more of it."""

    def write(place: Path) -> None:
        for name, content in contents(step):
            with (place / name).open("wb", buffering=0) as file:
                for start in range(0, len(content), PIECE):
                    file.write(content[start : start + PIECE])

    return write


def contents(step: int) -> Iterator[tuple[str, bytes]]:
    """Give the files of a step: the same whoever asks."""
    for name, size in FILES.items():
        yield name, random.Random(f"{step} {name}").randbytes(size)  # noqa: S311 - to be drawn again


def step_fields(step: int) -> dict[str, float]:
    """Return what the event of a step says."""
    numbers = {"epoch": step / 10, "loss": 2.0, "learning_rate": 1e-4, "grad_norm": 1.0, "seconds": 0.1}
    return {"step": step, "tokens": 512, "memory": 1, **numbers}


# --- who kills it, and comes next -----------------------------------------------------------------------------------


def kill_saves(*, kills: int, seed: int = 0, carelessly: bool = False) -> tuple[Counter[str], int]:
    """Kill so many times, and more until enough were inside a save; return where they were, and how many ended badly."""
    found: Counter[str] = Counter()
    draws, durations, bad = random.Random(seed), [0.01], 0  # noqa: S311 - to be drawn again
    while found.total() < kills or found[BEGINS] < min(ENOUGH, SHARE * found.total()):
        with tempfile.TemporaryDirectory(prefix="gpt-kills-") as place:
            directory = JobDirectory(Path(place) / "jobs" / "killed")
            directory.create()
            with saving_process(directory, carelessly=carelessly) as (ask, answers):
                for _ in range(min(A_JOB, max(1, kills - found.total()))):
                    ask(f"{draws.random()}\n")
                    last, told = one_kill(answers, draws, durations)
                    found[last] += 1
                    bad += not (is_last_step_whole(directory) if carelessly else is_fine(directory, told))
    return found, bad


@contextlib.contextmanager
def saving_process(
    directory: JobDirectory, *, carelessly: bool
) -> Iterator[tuple[Callable[[str], object], Iterator[str]]]:
    """Start what forks processes that save; gives how it is asked for one, and what they say."""
    command = [sys.executable, "-S", "-E", __file__, "--save", str(directory.path), *["--carelessly"] * carelessly]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdin.write, process.stdout
        process.stdin.close()


def one_kill(lines: Iterator[str], draws: random.Random, durations: list[float]) -> tuple[str, int]:
    """Kill a process that saves, and return what it had said last, and which step it had acknowledged."""
    pid = saves = acknowledged = 0
    last, before, wanted, began = "", "", draws.randint(1, FEW_SAVES), 0.0
    for line in lines:
        said, _, number = line.strip().partition(" ")
        if said == "pid":
            pid = int(number)
        elif said == "dead":
            return last, acknowledged
        else:
            before, last = last, said
        if said == BEGINS:
            saves, began = saves + 1, time.perf_counter()
        elif said in (SAVED, PRUNED) and saves < wanted and before != ACKNOWLEDGED:
            # What a save took; a pruning comes after it, and after the acknowledgement.
            durations.append(time.perf_counter() - began)
        if said == ACKNOWLEDGED:
            acknowledged = int(number)
        if saves == wanted and pid:
            time.sleep(draws.uniform(0, 1.2) * statistics.median(durations[-50:]))
            os.kill(pid, signal.SIGKILL)
            wanted = -1
    message = "the process that forks them has died itself"
    raise RuntimeError(message)


def is_fine(directory: JobDirectory, told: int) -> bool:
    """Whether all that was acknowledged, among the events or to whoever listened, is there."""
    with lock.hold(directory) as held:
        checkpoints = Checkpoints(directory)
        checkpoints.clean()
        newest = checkpoints.newest()
        acknowledged = newest_acknowledged(directory)
        if not held or told > acknowledged or left_over(directory):
            return False
        if newest is None:
            return acknowledged == 0
        return int(newest.name) >= acknowledged and is_whole(newest) and numbers_count_up(directory)


def newest_acknowledged(directory: JobDirectory) -> int:
    """Return the newest step that the events acknowledge; 0 where there is none."""
    return max((each.step for each in journal.read(directory.events) if isinstance(each, CheckpointSaved)), default=0)


def is_whole(place: Path) -> bool:
    """Whether a checkpoint has what was written into it, whatever its manifest says."""
    return all(
        (place / name).is_file() and (place / name).read_bytes() == wanted for name, wanted in contents(int(place.name))
    )


def is_last_step_whole(directory: JobDirectory) -> bool:
    """Whether the newest loads of those that were written in place."""
    newest = max(Checkpoints(directory).steps(), default=0)
    return newest == 0 or is_whole(directory.checkpoints / str(newest))


def left_over(directory: JobDirectory) -> list[Path]:
    """Return what is neither a checkpoint nor a part of one that its manifest names."""
    names = {"manifest.json", *FILES}
    return [
        each
        for each in directory.checkpoints.glob("**/*")
        if not (each.name in names or (each.is_dir() and each.name.isdigit()))
    ]


def numbers_count_up(directory: JobDirectory) -> bool:
    """Whether no number comes twice among the events, also among those that no reader would believe."""
    numbers = []
    for line in directory.events.read_bytes().splitlines():
        try:
            numbers.append(json.loads(line)["number"])
        except ValueError:
            continue
    return numbers == list(range(1, len(numbers) + 1))


if __name__ == "__main__":
    main()
