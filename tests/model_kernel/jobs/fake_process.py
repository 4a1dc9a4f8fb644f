"""A process that trains nothing: it holds a job's lock, writes events, and does what the job's `training_arguments` say.

steps   how many steps it does at once; 2
then    what it does after them: "succeed", "wait" for what it is told, "die", or be "deaf"
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from gpt_notebook.job_events import CommandDone, StateChanged, StepDone
from gpt_notebook.job_files import commands, job_progress, lock
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal

ENDS = {"pause": ("paused", "user"), "stop": ("succeeded", "stopped"), "cancel": ("cancelled", "user")}


def main() -> None:
    directory = JobDirectory(Path(sys.argv[1]))
    arguments = directory.spec().request.options.training_arguments
    while arguments.get("late") and not (directory.path / "go").exists():
        time.sleep(0.005)
    with lock.hold(directory, wait=2, as_job=True) as ours:
        if not ours:
            sys.exit(1)
        before = job_progress.progress(directory)
        with Journal(directory.events, attempt=Journal.next_attempt(directory.events)) as journal:
            journal.write(StateChanged, state="running", step=before.step)
            for step in range(before.step + 1, before.step + 1 + arguments.get("steps", 2)):
                do_step(journal, step)
            finish(directory, journal, arguments.get("then", "succeed"), before.last_command)


def do_step(journal: Journal, step: int) -> None:
    values = {"loss": 1 / step, "learning_rate": 0.001, "grad_norm": 1.0, "tokens": 8, "seconds": 0.01, "memory": 1}
    journal.write(StepDone, step=step, epoch=0.1 * step, **values)


def finish(directory: JobDirectory, journal: Journal, then: str, last: int) -> None:
    if then == "die":
        sys.stderr.write("RuntimeError: the cat has pulled the plug\n")
        sys.stderr.flush()
        os._exit(3)
    if then == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(1)
    while then == "wait":
        for command in commands.read(directory, after=last):
            last = command.number
            said = {"command_number": last, "command": command.command, "value": command.value}
            journal.write(CommandDone, obeyed=True, **said)
            if command.command in ENDS:
                state, reason = ENDS[command.command]
                journal.write(StateChanged, state=state, reason=reason)
                return
        time.sleep(0.005)
    journal.write(StateChanged, state="succeeded")


if __name__ == "__main__":
    main()
