"""The process of one job: it goes on with the job in a directory until that has ended or has to pause.

    python -m gpt_notebook.training DIRECTORY

The model kernel starts it like this, in a process session of its own. It needs nobody: what it is told, and what it has to
tell, are files of the directory.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_notebook import openmp
from gpt_notebook.job_files import job_progress, lock
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.settings import Settings

if TYPE_CHECKING:
    import torch

LOCK_SECONDS = 2.0
"""Longer than it takes anybody to look whether the lock is held."""
POLITENESS = 5
"""Added to the niceness: whoever waits for an answer comes first."""


def main() -> int:
    """Run the job of the directory that is given."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and the directory
        print("usage: python -m gpt_notebook.training DIRECTORY", file=sys.stderr)  # noqa: T201
        return 2
    directory = JobDirectory(Path(sys.argv[1]).absolute())
    if not directory.exists():
        print(f"there is no job in {directory.path}: it has no job.json", file=sys.stderr)  # noqa: T201
        return 2
    leave = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: leave.set())
    # Before anything that takes long, so that two who are started find out at once who goes on.
    with lock.hold(directory, wait=LOCK_SECONDS, as_job=True) as ours:
        if not ours:
            print(f"another process has the job in {directory.path}", file=sys.stderr)  # noqa: T201
            return 1
        if (state := job_progress.progress(directory).state) != "queued":
            print(f"it is not the turn of the job in {directory.path}, which is {state}", file=sys.stderr)  # noqa: T201
            return 0
        device = set_up(Settings.from_environment())

        from gpt_notebook.training.job import run

        outcome = run(directory, device=device, leave=leave)
    return 1 if outcome.state == "failed" else 0


def set_up(settings: Settings) -> torch.device:
    """Make this process a quiet one that talks to nobody, and return where it trains."""
    os.nice(POLITENESS)
    os.environ.update(
        HF_HUB_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_HUB_DISABLE_PROGRESS_BARS="1",
        TRANSFORMERS_VERBOSITY="error",
    )
    # Half of what oneDNN would keep, at half a megabyte each; there are not so many sizes of products in a training.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "512")
    wanted = settings.device
    if wanted is None or wanted.startswith("cuda"):
        # Trainer would spread a job over all GPUs that it sees.
        _see_one_gpu(wanted)
    with openmp.configured():
        import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(settings.threads or openmp.processors())
    if wanted is not None:
        return torch.device("cuda:0" if wanted.startswith("cuda") else wanted)
    if torch.cuda.is_available():
        return torch.device("cuda:0")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _see_one_gpu(wanted: str | None) -> None:
    index = int((wanted or "").partition(":")[2] or 0)
    seen = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
    if index < len(seen) or not seen:
        os.environ["CUDA_VISIBLE_DEVICES"] = seen[index] if seen else str(index)


if __name__ == "__main__":
    sys.exit(main())
