"""What can be typed after `gpt-notebook`: the commands and their options, and a readable line for what can't.

Parses and nothing else; commands.py acts. `docs/command.md` describes each option; a test holds it to this list.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from gpt_notebook.cli import job_arguments
from gpt_notebook.complaints import in_our_words
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.next_action import NextAction
from gpt_notebook.protocol import SamplingOptions
from gpt_notebook.suggestions import unknown_name

USAGE_ERROR = 2


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, and knows what was probably meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {in_our_words(message)}\n")
        sys.exit(USAGE_ERROR)

    def refuse_unknown(self, words: Sequence[str]) -> None:
        """Refuse what is left of a command line after parsing."""
        if not words:
            return
        word = words[0].partition("=")[0]
        if not word.startswith("-"):
            self.error(f"{word!r} is one word too many: put quotes around a text of several words")
        options = [name for action in self._actions for name in action.option_strings]
        self.error(unknown_name("option", word, options))

    def refuse_value(self, error: InvalidRequest) -> NoReturn:
        """Refuse an option's value. A message that begins with the option's name begins with how it is typed instead."""
        name = error.param or ""
        typed = self._typed(name.replace(".", "_"))
        begins_with_it = error.message.startswith((f"{name} ", f"{name}: ")) and typed is not None
        self.error(f"{typed}{error.message.removeprefix(name)}" if begins_with_it else error.message)

    def _typed(self, name: str) -> str | None:
        """Return how an option is typed, in its long form; None where there is none of this name."""
        flags = [flag for action in self._actions if action.dest == name for flag in action.option_strings]
        return next((flag for flag in reversed(flags) if not flag.startswith("--no-")), None)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command and its options; ends the process with one line and code 2 for what makes no sense."""
    parser, commands = build()
    if arguments and not arguments[0].startswith("-") and arguments[0] not in commands:
        parser.error(unknown_name("command", arguments[0], commands))
    parsed, rest = parser.parse_known_args(arguments)
    (commands[parsed.command] if parsed.command else parser).refuse_unknown(rest)
    return parsed


def refuse(command: str, reason: str) -> NoReturn:
    """End the process with one line and code 2, for arguments that can be read but make no sense."""
    build()[1][command].error(reason)


def refuse_value(command: str, error: InvalidRequest) -> NoReturn:
    """End the process with one line and code 2, for an option whose value was refused."""
    build()[1][command].refuse_value(error)


def spelled(action: NextAction) -> str:
    """Return what can be done next as a command."""
    if action.verb == "finetune":
        return "gpt-notebook finetune FILE --name NAME"
    if action.verb == "list":
        return "gpt-notebook jobs"
    one = f"gpt-notebook jobs {action.job or 'NAME'}"
    return one if action.verb == "show" else f"{one} {action.verb}"


def build() -> tuple[_Parser, dict[str, _Parser]]:
    """Return the parser, and those of the commands by name."""
    parser = _Parser(
        prog="gpt-notebook", description="Language models for notebooks, held warm by one process: the model kernel."
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    adding = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def command(name: str, about: str) -> _Parser:
        return adding.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")

    _serve(command("serve", "run a model kernel in the foreground, here or for other machines"))
    command("status", "tell what the model kernel holds and does")
    stop = command("stop", "stop the model kernel")
    stop.add_argument("--force", action="store_true", help="also while others use it, and also one on another machine")
    logs = command("logs", "print what the model kernel has to say")
    logs.add_argument("-f", "--follow", action="store_true", help="go on printing as it comes")
    logs.add_argument("-n", "--lines", type=_count, default=40, metavar="N", help="how many lines (default 40)")
    command("models", "list the models that can be used without a download")
    command("adapters", "list the adapters that can be used on a model")
    _generate(command("generate", "go on from a text"))
    job_arguments.finetune(command("finetune", "train a model on data, in a process that survives this one"))
    job_arguments.jobs(command("jobs", "list the fine-tuning jobs, or tell one something"))
    command("demo", "see it work: a story from the bundled model")
    command("doctor", "check this installation and say what to do")
    return parser, dict(adding.choices)


def _serve(parser: _Parser) -> None:
    parser.add_argument("--host", help="the address to listen on, such as 0.0.0.0; without it, a Unix socket")
    parser.add_argument("--port", type=_port, help="the TCP port (default 8642)")
    parser.add_argument("--certfile", metavar="FILE", help="the TLS certificate")
    parser.add_argument("--keyfile", metavar="FILE", help="the key of the TLS certificate")
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="serve other machines without TLS: token and texts can be read on the way",
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="another name that this machine is called by"
    )


def _generate(parser: _Parser) -> None:
    defaults = SamplingOptions()
    parser.add_argument("prompt", help="the text to go on from; - reads it from the standard input")
    parser.add_argument("-m", "--model", help="the model (default: the setting GPT_NOTEBOOK_MODEL, else storyteller)")
    parser.add_argument(
        "--max",
        "--max-new-tokens",
        dest="max_new_tokens",
        type=int,
        metavar="N",
        help=f"the most tokens (default {defaults.max_new_tokens})",
    )
    parser.add_argument(
        "-t", "--temperature", type=float, metavar="T", help=f"0 is greedy (default {defaults.temperature})"
    )
    parser.add_argument(
        "--top-p",
        type=float,
        metavar="P",
        help=f"keep the most probable tokens up to this sum (default {defaults.top_p})",
    )
    parser.add_argument(
        "--top-k", type=int, metavar="K", help="keep this many of the most probable tokens (default all)"
    )
    parser.add_argument(
        "--stop", action="append", metavar="TEXT", help="end before this text; can be given up to four times"
    )
    parser.add_argument("--seed", type=int, help="make it repeatable")
    parser.add_argument("-n", "--samples", dest="n", type=int, metavar="N", help="how many samples (default 1)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--chat", action="store_true", default=None, help="put the text to the model as a user's turn")
    kind.add_argument("--complete", dest="chat", action="store_false", help="go on from the bare text")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told first; makes it a chat")


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value < 65536:  # noqa: PLR2004 - what a port is
        raise ValueError
    return value


# What a refusal calls them: "--port needs a port, not 'x'".
_count.__name__ = "line count"
_port.__name__ = "port"
