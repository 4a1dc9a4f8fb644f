"""What the model kernel writes into the journal of a job that has no process: that it waits, has died, or was told to end.

Always under the job's lock, so that no process writes at the same time, and by what the journal says then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gpt_notebook.job_events import CommandDone, Noted, StateChanged
from gpt_notebook.job_files import commands, lock
from gpt_notebook.job_files.checkpoints import Checkpoints
from gpt_notebook.job_files.commands import SETTINGS, Command
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import JobState, Reason
from gpt_notebook.model_kernel.jobs.register import Job, Register

LOCK_SECONDS = 10.0
"""Longer than a process that has said its last word takes to leave."""
OVERTAKEN = "it was told something else since"


class Recording:
    """A job that nobody runs, as it is now, and its journal."""

    def __init__(self, job: Job, journal: Journal) -> None:
        """Take both; the job's lock is held."""
        self.job = job
        self._answered = job.progress.last_command
        self._journal = journal

    def queue(self) -> None:
        """Let the job wait for its turn, behind all others; what it was told before its process was gone is overtaken."""
        self.overtake("the job began again meanwhile")
        self._change("queued")

    def overtake(self, message: str, *, can_go_on: bool = True) -> None:
        """Acknowledge what the job was told and can't do any more; what is set holds if it can go on."""
        for command in list(self.job.commands):
            refused = self._refused(command)
            holds = can_go_on and command.command in SETTINGS and refused is None
            self._answer(command, obeyed=holds, message=refused or message)

    def bury(self, words: str) -> None:
        """Say of a job whose process is gone without a word what has become of it."""
        if (command := self.job.asked("cancel")) is not None:
            for each in self.job.commands[: self.job.commands.index(command)]:
                self._answer(each, obeyed=False, message=OVERTAKEN)
            self.obey(command)
            return
        message = f"its process ended without a word ({words}): start it again, or resume it, to go on from its last checkpoint"
        self._change("failed", reason="died", message=message)

    def obey_all(self) -> None:
        """Do what the job was told so far, and acknowledge each once: what is set holds, and of the rest the last word."""
        self.job.commands = commands.read(self.job.directory, after=self._answered)
        while self.job.commands:
            command, *later = self.job.commands
            if command.command in SETTINGS or all(each.command in SETTINGS for each in later):
                self.obey(command)
            else:
                self._answer(command, obeyed=False, message=OVERTAKEN)

    def obey(self, command: Command) -> None:
        """Do what the job was told, and acknowledge it."""
        refused = self._refused(command)
        self._answer(command, obeyed=refused is None, message=refused)
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

    def _refused(self, command: Command) -> str | None:
        return commands.refusal(command.command, command.value, step=self.job.progress.step)

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
        self._answered = command.number
        self.job.commands = [each for each in self.job.commands if each.number > command.number]

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
