"""The `gpt-notebook` command: the model kernel from a terminal.

Exit codes: 0 done, 1 it did not work (one line on standard error says why), 2 it made no sense, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from gpt_notebook.cli import command_line
from gpt_notebook.errors import GptNotebookError, InvalidRequest

FAILED = 1
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    try:
        code = _run(command_line.parse(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except GptNotebookError as error:
        sys.stderr.write(f"gpt-notebook: {error.spelled(command_line.spelled)}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _run(parsed: argparse.Namespace) -> int:
    if parsed.version:
        from gpt_notebook.identity import __version__

        print(f"gpt-notebook {__version__}")
        return 0
    if parsed.command is None:
        command_line.build()[0].print_help()
        return 0
    return _COMMANDS[parsed.command](parsed)


def _serve(parsed: argparse.Namespace) -> int:
    from gpt_notebook.model_kernel.__main__ import serve
    from gpt_notebook.model_process import check_installed
    from gpt_notebook.settings import Settings

    check_installed()
    serve(
        Settings.from_environment(),
        host=parsed.host,
        port=parsed.port,
        certfile=parsed.certfile,
        keyfile=parsed.keyfile,
        insecure=parsed.insecure,
        allowed_hosts=tuple(parsed.allow_host),
    )
    return 0


def _status(_parsed: argparse.Namespace) -> int:
    from gpt_notebook import api
    from gpt_notebook.display.reports import status_report

    print(status_report(api.status(), api.session.model).text())
    return 0


def _stop(parsed: argparse.Namespace) -> int:
    from gpt_notebook import api

    ended = api.shutdown(force=parsed.force)
    print(f"{api.session.place} has ended" if ended else "no model kernel is running")
    return 0


def _models(_parsed: argparse.Namespace) -> int:
    from gpt_notebook import api
    from gpt_notebook.display.reports import models_report

    print(models_report(api.models(), api.session.model).text())
    return 0


def _adapters(_parsed: argparse.Namespace) -> int:
    from gpt_notebook import api
    from gpt_notebook.display.reports import adapters_report

    print(adapters_report(api.adapters()).text())
    return 0


def _logs(parsed: argparse.Namespace) -> int:
    from gpt_notebook.cli.logs import read
    from gpt_notebook.runtime import RuntimeDirectory
    from gpt_notebook.settings import Settings

    settings = Settings.from_environment()
    if settings.url is not None:
        message = f"the log of {settings.url} is on that machine: run  gpt-notebook logs  there"
        raise InvalidRequest(message)
    for text in read(RuntimeDirectory.of(settings).log, lines=parsed.lines, follow=parsed.follow):
        print(text, end="", flush=True)
    return 0


def _generate(parsed: argparse.Namespace) -> int:
    from gpt_notebook import api
    from gpt_notebook.cli.terminal import show_stream

    prompt = sys.stdin.read() if parsed.prompt == "-" else parsed.prompt
    if not prompt:
        reason = 'there is nothing to go on from: give a text, as in  gpt-notebook generate "Once upon a time"'
        command_line.refuse("generate", reason)
    names = ("max_new_tokens", "temperature", "top_p", "top_k", "stop", "seed", "n")
    options: dict[str, Any] = {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}
    try:
        events = api.events(prompt, model=parsed.model, chat=parsed.chat, system=parsed.system, **options)
    except InvalidRequest as error:  # so far only the command line has been looked at
        command_line.refuse_value("generate", error)
    show_stream(events)
    return 0


def _finetune(parsed: argparse.Namespace) -> int:
    from gpt_notebook.cli import job_commands

    return job_commands.finetune(parsed)


def _jobs(parsed: argparse.Namespace) -> int:
    from gpt_notebook.cli import job_commands

    return job_commands.jobs(parsed)


def _demo(_parsed: argparse.Namespace) -> int:
    from gpt_notebook.cli.terminal import demonstrate

    demonstrate()
    return 0


def _doctor(_parsed: argparse.Namespace) -> int:
    from gpt_notebook.cli.doctor import examine

    healthy = True
    for finding in examine():
        print(finding)
        healthy = healthy and finding.good
    return 0 if healthy else FAILED


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "serve": _serve,
    "status": _status,
    "stop": _stop,
    "logs": _logs,
    "models": _models,
    "adapters": _adapters,
    "generate": _generate,
    "finetune": _finetune,
    "jobs": _jobs,
    "demo": _demo,
    "doctor": _doctor,
}
