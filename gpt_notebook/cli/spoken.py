"""Messages in the words of a terminal: they speak of arguments and methods, which somebody there gives as options and commands."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from gpt_notebook.cli import job_arguments
from gpt_notebook.display import progress
from gpt_notebook.errors import GptNotebookError

_NAMES = ("name", "force", "model", "validation", *job_arguments.COLUMNS)
_OPTIONS = {name: f"--{name}" for name in _NAMES}
_OPTIONS |= {name.replace("-", "_"): f"--{name}" for name in (*job_arguments.NUMBERS, *job_arguments.CHOICES)}
_OPTIONS |= {f"lora.{name}": f"--lora-{name}" for name in job_arguments.LORA}

_CALLS = {
    "gpt.finetune(data, name='…')": "gpt-notebook finetune FILE --name NAME",
    "gpt.job(name)": "gpt-notebook jobs NAME",
    "gpt.jobs()": "gpt-notebook jobs",
}

_ARGUMENT = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, _OPTIONS))})=(True\b)?(?=(\S?))")
_SUBJECT = re.compile(
    rf"({'|'.join(sorted(map(re.escape, _OPTIONS), key=len, reverse=True))})(?= (?:must|is|belongs)\b)"
)
_METHOD = re.compile(rf"\bjob\.({'|'.join(job_arguments.COMMANDS)})\(\)")


def in_a_terminal(message: str, *, job: str = "NAME") -> str:
    """Return a message as one who types commands says it.

    Args:
        message: One that was made for notebooks.
        job: The name of the job that it is about.
    """
    for call, command in _CALLS.items():
        message = message.replace(call, command)
    message = _SUBJECT.sub(lambda found: _OPTIONS[found[1]] if found.start() == 0 else found[0], message)
    message = _ARGUMENT.sub(_option, message)
    return _METHOD.sub(lambda found: f"gpt-notebook jobs {job} {found[1]}", message)


def _option(found: re.Match[str]) -> str:
    """Return an option with its value after a space, and no value where it takes none."""
    has_value = bool(found[3]) and found[2] is None
    return _OPTIONS[found[1]] + (" " if has_value else "")


@contextlib.contextmanager
def speaking(job: str | None = None) -> Iterator[None]:
    """Let the errors and the notes of this block be in the words of a terminal."""

    def words(message: str) -> str:
        return in_a_terminal(message, job=job or "NAME")

    try:
        with progress.worded(words):
            yield
    except GptNotebookError as error:
        error.message = words(error.message)
        error.args = (error.message,)
        raise
