"""What the model kernel writes into the journal of a job that has no process: that it waits, has died, or was told to end.

Always under the job's lock, so that no process writes at the same time, and by what the journal says then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gpt_notebook.job_files import lock
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.commands import Command
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import CommandDone, CommandName, JobState, Noted, Reason, StateChanged
from gpt_notebook.model_kernel.jobs.register import Job, Register

LOCK_SECONDS = 10.0
"""Longer than a process that has said its last word takes to leave."""
SETTINGS: tuple[CommandName, ...] = ("learning_rate", "max_steps")
"""Commands that hold for what comes after them, whoever has read them."""


class Recording:
    """A job that nobody runs, as it is now, and its journal."""

    def __init__(self, job: Job, journal: Journal) -> None:
        """Take both; the job's lock is held."""
        self.job = job
        self._journal = journal

    def queue(self) -> None:
        """Let the job wait for its turn, behind all others; what it was told before its process was gone is overtaken."""
        for command in self.job.commands:
            self._answer(command, obeyed=command.command in SETTINGS, message="the job began again meanwhile")
        self.job.commands.clear()
        self._change("queued")

    def bury(self, words: str) -> None:
        """Say of a job whose process is gone without a word what has become of it."""
        if (command := self.job.asked("cancel")) is not None:
            self.obey(command)
            return
        message = f"its process ended without a word ({words}): start it again, or resume it, to go on from its last checkpoint"
        self._change("failed", reason="died", message=message)

    def obey(self, command: Command) -> None:
        """Do what the job was told, and acknowledge it."""
        self.job.commands = [each for each in self.job.commands if each.number > command.number]
        self._answer(command, obeyed=True)
        match command.command:
            case "resume":
                self.queue()
            case "cancel":
                self._change("cancelled", reason="user")
            case "stop" if Checkpoints(self.job.directory).steps():
                self._change("succeeded", reason="stopped")
            case "stop":
                self._change("cancelled", reason="user", message="it was stopped before its first checkpoint")
            case _:
                pass  # A pause is over, and what is set counts from the next attempt on.

    def _change(self, state: JobState, *, reason: Reason | None = None, message: str | None = None) -> None:
        step = self.job.progress.step
        self._journal.write(StateChanged, state=state, reason=reason, message=message, step=step)

    def _answer(self, command: Command, *, obeyed: bool, message: str | None = None) -> None:
        self._journal.write(
            CommandDone,
            command_number=command.number,
            command=command.command,
            value=command.value,
            obeyed=obeyed,
            message=None if obeyed else message,
            step=self.job.progress.step,
        )

    def note(self, message: str) -> None:
        """Say what whoever looks at the job should know."""
        self._journal.write(Noted, message=message, step=self.job.progress.step)


@contextlib.contextmanager
def recording(register: Register, directory: JobDirectory, *, wait: float = LOCK_SECONDS) -> Iterator[Recording | None]:
    """Hold a job's lock and yield what there is to write; None when a process holds it still after `wait` seconds.

    Raises:
        JobNotFound: the job has been deleted.
    """
    with contextlib.ExitStack() as stack:
        try:
            ours = stack.enter_context(lock.hold(directory, wait=wait))
        except OSError:
            register.find(directory.name)
            raise
        if not ours:
            yield None
            return
        job = register.find(directory.name)
        job.holder = None  # It is us.
        yield Recording(job, stack.enter_context(Journal(directory.events)))
