r"""The first line of a `%%gpt` cell: its options, declared once for parsing, help and Tab completion.

The line is cut at spaces, with '…' and "…" around values that have some. A backslash is an ordinary character, so that
Windows paths survive; in the values of --stop and --system, `\n`, `\t` and `\\` stand for newline, tab and backslash.
Every mistake is one readable line, never a usage text.
"""

from __future__ import annotations

import argparse
import functools
import keyword
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, cast

from gpt_notebook.complaints import in_our_words, option_and_reason
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.suggestions import did_you_mean, nearest

if TYPE_CHECKING:
    from gpt_notebook.display.bundle import Format
    from gpt_notebook.protocol import SamplingOptions

FORMATS: tuple[Format, ...] = ("text", "markdown", "code", "json")

TOKENS_LOGPROBS = 5
"""How many alternatives --tokens asks for."""

EXAMPLE = "%%gpt --max 60\nOnce upon a time"


@dataclass(frozen=True)
class Option:
    """One option of `%%gpt`, in argparse's terms."""

    flags: tuple[str, ...]
    field: str
    help: str
    metavar: str | None = None
    kind: type = str
    repeats: bool = False
    several: bool = False
    """Whether more than one value may follow it."""
    choices: tuple[str, ...] | None = None

    @property
    def takes_value(self) -> bool:
        """Whether a value follows it."""
        return self.metavar is not None

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `add_argument`; an option that isn't given leaves no trace."""
        common: dict[str, Any] = {"dest": self.field, "help": self.help, "default": argparse.SUPPRESS}
        if not self.takes_value:
            return {**common, "action": "store_true"}
        action = "append" if self.repeats else "store"
        number = {"nargs": "+"} if self.several else {}
        return {
            **common,
            **number,
            "action": action,
            "metavar": self.metavar,
            "type": self.kind,
            "choices": self.choices,
        }


OPTIONS = (
    Option(("-m", "--model"), "model", "the model, instead of the one of %%gpt use", "MODEL"),
    Option(("-a", "--adapter"), "adapter", "the adapter on it, by name or path, or NAME:STEP", "ADAPTER"),
    Option(("--max", "--max-new-tokens"), "max_new_tokens", "the most tokens to generate (120)", "N", int),
    Option(("-t", "--temperature"), "temperature", "0 always takes the most probable token (0.8)", "T", float),
    Option(("--top-p",), "top_p", "keep the most probable tokens that add up to P (0.95)", "P", float),
    Option(("--top-k",), "top_k", "keep the K most probable tokens; 0 keeps all (0)", "K", int),
    Option(("--stop",), "stop", r"end before this text, such as '\n'; up to four of them", "TEXT", repeats=True),
    Option(("--seed",), "seed", "makes the cell say the same each time", "SEED", int),
    Option(("-n", "--samples"), "n", "how many samples to draw (1)", "SAMPLES", int),
    Option(("--chat",), "chat", "go on with the conversation NAME; a cell that runs again replaces its turn", "NAME"),
    Option(("--complete",), "complete", "go on with the text itself, also where the model has a chat template"),
    Option(("--system",), "system", "a system message for the model", "TEXT"),
    Option(("--into",), "into", "also put the completion into this variable", "VAR"),
    Option(("--format",), "format", "how to show the text: " + ", ".join(FORMATS), "FORMAT", choices=FORMATS),
    Option(("--tokens",), "tokens", "show each token, its probability and the alternatives"),
    Option(("--attention",), "attention", "show below the text what each head looks at, to explore"),
    Option(
        ("--compare",), "compare", "let these models go on from the same prompt, side by side", "MODEL …", several=True
    ),
    Option(("--surprise",), "surprise", "read the text instead of going on from it: how likely each token is"),
    Option(("--no-vars", "--raw"), "no_vars", "leave {name} as typed"),
)

HELP_FLAGS = ("-h", "--help")

_SAMPLING = ("max_new_tokens", "temperature", "top_p", "top_k", "stop", "seed", "n")
"""The fields that go to `SamplingOptions` as they are."""

_SHOWN = ("chat", "complete", "system", "format", "tokens", "attention", "compare")
"""Of the others, those that are about what is generated."""

_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}


@dataclass(frozen=True, kw_only=True)
class CellOptions:
    """The options of one `%%gpt` cell, checked."""

    sampling: dict[str, Any] = field(default_factory=dict)
    """Those of `SamplingOptions`, only where they were given."""
    model: str | None = None
    """With its adapter."""
    chat: str | None = None
    complete: bool = False
    system: str | None = None
    into: str | None = None
    format: Format = "text"
    tokens: bool = False
    attention: bool = False
    compare: tuple[str, ...] = ()
    surprise: bool = False
    no_vars: bool = False

    @property
    def asked(self) -> dict[str, Any]:
        """What is asked of the model kernel, only where it was given."""
        return {**self.sampling, "attention": True} if self.attention else self.sampling


def parse(line: str) -> CellOptions:
    """Read the rest of a `%%gpt` line.

    Raises:
        InvalidRequest: names what cannot be read, and what was probably meant.
    """
    given = vars(parser().parse_args(split(line)))
    sampling = {name: given.pop(name) for name in _SAMPLING if name in given}
    if "stop" in sampling:
        sampling["stop"] = tuple(map(_unescape, sampling["stop"]))
    if "system" in given:
        given["system"] = _unescape(given["system"])
    if (adapter := given.pop("adapter", None)) is not None:
        given["model"] = _with_adapter(given.get("model"), adapter)
    if "compare" in given:
        given["compare"] = tuple(given["compare"])
    if given.get("tokens"):
        sampling["logprobs"] = TOKENS_LOGPROBS
    options = CellOptions(sampling=sampling, **given)
    _check(options)
    return options


def asks_for_help(line: str) -> bool:
    """Tell whether the line asks for the help, whatever else is on it.

    Raises:
        InvalidRequest: a quote is not closed.
    """
    return any(word in HELP_FLAGS for word in split(line))


def split(line: str) -> list[str]:
    """Cut a line into words.

    Raises:
        InvalidRequest: a quote is not closed.
    """
    words = shlex.shlex(line, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters, words.escape = True, "", ""
    try:
        return list(words)
    except ValueError:
        message = f"a quote is not closed in: {line.strip()}"
        raise InvalidRequest(message) from None


def option(flag: str) -> Option | None:
    """Return the option with this flag."""
    return next((each for each in OPTIONS if flag in each.flags), None)


def flags() -> tuple[str, ...]:
    """Return all flags of all options."""
    return tuple(flag for each in OPTIONS for flag in each.flags)


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are `InvalidRequest`s."""

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong."""
        flag, reason = option_and_reason(message)
        if flag is not None and (found := re.match(r"invalid choice: '(.*?)' \(", reason)):
            raise InvalidRequest(_no_such_choice(flag, found[1]))
        raise InvalidRequest(in_our_words(message))

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and say of what is left over what was probably meant."""
        known, rest = self.parse_known_args(args, namespace)
        if rest:
            raise InvalidRequest(_left_over(rest[0]))
        return known


def _no_such_choice(flag: str, value: str) -> str:
    choices = next(each.choices or () for each in OPTIONS if flag in each.flags)
    return f"{flag} is one of {', '.join(choices)}, not {value!r}{did_you_mean(value, choices)}"


def _left_over(word: str) -> str:
    if word.startswith("-"):
        flag = word.partition("=")[0]
        return f"%%gpt has no option {flag}{_meant(flag)}"
    return f"unexpected {word!r} on the %%gpt line: the prompt goes below it, and a value with spaces in quotes"


def _meant(flag: str) -> str:
    """Return the end of a line that asks back: --n is -n, --maxtokens is --max, and of the rest the nearest."""
    likely = [flag.removeprefix("-"), *(flag[:end] for end in range(len(flag), len("--"), -1))]
    near = next((each for each in likely if each in flags()), None) or nearest(flag, flags())
    return f"; did you mean {near}?" if near else "; %%gpt? lists them"


@functools.cache
def parser() -> argparse.ArgumentParser:
    """Return the parser of the `%%gpt` line."""
    result = _Parser(prog="%%gpt", add_help=False, allow_abbrev=False, formatter_class=argparse.RawTextHelpFormatter)
    for each in OPTIONS:
        result.add_argument(*each.flags, **cast("Any", each.settings()))
    return result


def describe() -> str:
    """Return the options as lines for people."""
    rows = [(", ".join(each.flags) + (f" {each.metavar}" if each.metavar else ""), each.help) for each in OPTIONS]
    width = max(len(flags) for flags, _ in rows)
    return "\n".join(f"  {flags:<{width}}  {text.replace('%%', '%')}" for flags, text in rows)


def _unescape(text: str) -> str:
    return re.sub(r"\\([nt\\])", lambda found: _ESCAPES[found[1]], text)


def _with_adapter(model: str | None, adapter: str) -> str:
    """Return a model string with an adapter; without a model the default one, whose own adapter then steps aside.

    Raises:
        InvalidRequest: the model that was given has an adapter, too.
    """
    from gpt_notebook.adapter_places import split
    from gpt_notebook.session import session

    base, other = split(session.model if model is None else model)
    if model is not None and other is not None:
        message = f"-a {adapter} and -m {model} both name an adapter: leave one of them out"
        raise InvalidRequest(message)
    if not adapter.strip():
        message = "-a needs the name of an adapter; %gpt adapters lists them"
        raise InvalidRequest(message)
    return f"{base}+{adapter}"


def _of_generation(options: CellOptions) -> str | None:
    """Return the flag of an option that only makes sense where something is generated; None where none was given."""
    given = {**options.sampling, **{each: getattr(options, each) for each in _SHOWN}}
    usual = CellOptions()
    for each in OPTIONS:
        if each.field in given and given[each.field] != getattr(usual, each.field, None):
            return each.flags[0]
    return None


def _of_one_completion(options: CellOptions, sampling: SamplingOptions) -> str | None:
    """Return what on the line needs one model; None where nothing does."""
    found = {"-n": sampling.n > 1, "--chat": options.chat is not None, "--attention": options.attention}
    found["--format"] = options.format != "text"
    return next((flag for flag, given in found.items() if given), None)


def _check(options: CellOptions) -> None:
    """Refuse what makes no sense, before anything is started.

    Raises:
        InvalidRequest: names the option.
    """
    from gpt_notebook.protocol import SamplingOptions

    try:
        sampling = SamplingOptions(**options.sampling)
    except InvalidRequest as error:
        flag = next((each.flags[0] for each in OPTIONS if each.field == error.param), None)
        raise InvalidRequest(f"{flag}: {error.message}" if flag else error.message, param=error.param) from None
    if options.surprise and (other := _of_generation(options)):
        message = f"--surprise reads the text and says nothing after it, so {other} has no meaning with it: leave one of them out"
        raise InvalidRequest(message)
    if options.compare and (other := _of_one_completion(options, sampling)):
        message = (
            f"--compare shows one completion of each model, and {other} is about those of one: leave one of them out"
        )
        raise InvalidRequest(message)
    if options.chat is not None and not options.chat.strip():
        message = "--chat needs the name of a conversation, such as --chat story"
        raise InvalidRequest(message)
    if options.complete and (options.chat is not None or options.system):
        other = "--system" if options.chat is None else "--chat"
        message = (
            f"--complete goes on with the text itself and {other} needs the model to answer: leave one of them out"
        )
        raise InvalidRequest(message)
    if options.chat is not None and sampling.n > 1:
        message = f"--chat keeps one answer and -n {sampling.n} asks for several: leave one of them out"
        raise InvalidRequest(message)
    if options.attention and sampling.n > 1:
        message = f"--attention follows one completion and -n {sampling.n} asks for several: leave one of them out"
        raise InvalidRequest(message)
    if options.into is not None and (not options.into.isidentifier() or keyword.iskeyword(options.into)):
        message = f"--into needs the name of a variable, such as --into story, not {options.into!r}"
        raise InvalidRequest(message)
