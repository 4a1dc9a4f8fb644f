"""What a job is told while it runs: each command obeyed once, and acknowledged in the events."""

from __future__ import annotations

import os

from gpt_notebook.job_events import CommandDone
from gpt_notebook.job_files import commands
from gpt_notebook.job_files.commands import Command
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.training.past import LAST_WORDS, change_of
from gpt_notebook.training.schedule import Plan


class Control:
    """The commands that have not been acknowledged yet."""

    def __init__(self, directory: JobDirectory, journal: Journal, plan: Plan, *, last: int) -> None:
        """Begin after the command with the number `last`."""
        self._directory = directory
        self._journal = journal
        self._plan = plan
        self._last = last
        self._seen: tuple[int, int] | None = None

    def obey(self, step: int) -> Command | None:
        """Obey what changes the plan, and return the first command to end, which is acknowledged when that is done."""
        if not self._is_news():
            return None
        waiting = commands.read(self._directory, after=self._last)
        resumed = max((command.number for command in waiting if command.command == "resume"), default=0)
        for command in waiting:
            if command.command == "pause" and command.number < resumed:
                self.acknowledge(command, step, refused="the job was told to resume before it had paused")
            elif command.command in LAST_WORDS:
                self._seen = None
                return command
            elif command.command == "resume" or command.value is None:
                self.acknowledge(command, step)
            elif (refused := commands.refusal(command.command, command.value, step=step)) is not None:
                self.acknowledge(command, step, refused=refused)
            else:
                self._plan.change(change_of(command.command, command.value, step=step))
                self.acknowledge(command, step)
        return None

    def acknowledge(self, command: Command, step: int, *, refused: str | None = None) -> None:
        """Say that a command has been obeyed, or why not."""
        self._journal.write(
            CommandDone,
            command_number=command.number,
            command=command.command,
            value=command.value,
            obeyed=refused is None,
            message=refused,
            step=step,
        )
        self._last = command.number

    def _is_news(self) -> bool:
        """Whether anything was written since the last look, which costs some microseconds."""
        try:
            found = os.stat(self._directory.control)  # noqa: PTH116 - between any two steps
        except FileNotFoundError:
            return False
        seen = (found.st_size, found.st_mtime_ns)
        if seen == self._seen:
            return False
        self._seen = seen
        return True
