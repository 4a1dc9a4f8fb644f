"""The commands of the `%gpt` line: thin adapters between words on a line and the functions of `api`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpt_notebook import api
from gpt_notebook.display.bundle import View
from gpt_notebook.display.quantities import counted
from gpt_notebook.display.reports import Report, loaded_line, models_report, status_report
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.magics import model_names
from gpt_notebook.magics.cell_output import cell_output
from gpt_notebook.magics.help_text import COMMANDS, DTYPES, HELP
from gpt_notebook.magics.options import split
from gpt_notebook.suggestions import did_you_mean

if TYPE_CHECKING:
    from gpt_notebook.magics.magics import GPTMagics

Command = Callable[["GPTMagics", "Words"], None]


class Words:
    """The words after a command, taken one by one."""

    def __init__(self, command: str, words: list[str]) -> None:
        """Begin before the first."""
        self._command = command
        self._words = words

    def option(self, flag: str) -> str | None:
        """Take `flag VALUE` or `flag=VALUE` out of the words, and return the value."""
        for index, word in enumerate(self._words):
            if word.startswith(f"{flag}="):
                return self._words.pop(index).removeprefix(f"{flag}=")
            if word == flag:
                if index + 1 == len(self._words):
                    message = f"%gpt {self._command}: {flag} needs a value after it"
                    raise InvalidRequest(message)
                del self._words[index]
                return self._words.pop(index)
        return None

    def switch(self, flag: str) -> bool:
        """Take `flag` out of the words, and tell whether it was there."""
        if flag not in self._words:
            return False
        self._words.remove(flag)
        return True

    def optional(self) -> str | None:
        """Return the only word, or None where there is none."""
        if len(self._words) > 1 or (self._words and self._words[0].startswith("--")):
            self._refuse(self._words[0] if self._words[0].startswith("--") else self._words[1])
        return self._words[0] if self._words else None

    def required(self) -> str:
        """Return the only word."""
        word = self.optional()
        if not word:
            message = f"%gpt {self._command} needs a word after it: %gpt {COMMANDS[self._command][0]}"
            raise InvalidRequest(message)
        return word

    def end(self) -> None:
        """Expect no word."""
        if self._words:
            self._refuse(self._words[0])

    def _refuse(self, word: str) -> None:
        message = f"%gpt {self._command}: unexpected {word!r}; it is written %gpt {COMMANDS[self._command][0]}"
        raise InvalidRequest(message)


def run(magics: GPTMagics, line: str) -> None:
    """Run a `%gpt` line.

    Raises:
        InvalidRequest: there is no such command, or it was given what it doesn't take.
        GptNotebookError: what the model kernel has to say.
    """
    words = split(line)
    name = words[0] if words else "help"
    command = _COMMANDS.get(name)
    if command is None:
        hint = did_you_mean(name, _COMMANDS) or "; %gpt help lists them; to generate text, put it below a line %%gpt"
        message = f"%gpt has no command {name!r}{hint}"
        raise InvalidRequest(message)
    command(magics, Words(name, words[1:]))


def _use(magics: GPTMagics, words: Words) -> None:
    model = words.optional()
    hint = ""
    if model is not None:
        hint = _hint_at_unknown(model)
        api.use(model)
    _say(magics, f"the model of cells that name none is {api.session.model}{hint}")


def _hint_at_unknown(model: str) -> str:
    """Say so where a model is not on this machine; it may well be on the hub."""
    known, all_known = model_names.models()
    names = [each.name for each in known]
    if model in names or Path(model).expanduser().exists():
        return ""
    when = "it is not here yet:" if all_known else "if it is not here yet,"
    return f"; {when} the next cell asks the hub for it{did_you_mean(model, names)}"


def _status(magics: GPTMagics, words: Words) -> None:
    words.end()
    _report(magics, status_report(api.status(), api.session.model))


def _models(magics: GPTMagics, words: Words) -> None:
    words.end()
    known, all_known = model_names.models()
    _report(magics, models_report(known, api.session.model, all_known=all_known))


def _load(magics: GPTMagics, words: Words) -> None:
    dtype, tokenizer, name = words.option("--dtype"), words.option("--tokenizer"), words.option("--name")
    model: Any = words.required()
    options: dict[str, Any] = {"dtype": _checked_dtype(dtype)}
    if _is_model_object(value := magics.shell.user_ns.get(model)):
        options["name"] = name or model
        model = value
        options["tokenizer"] = None if tokenizer is None else _variable(magics, tokenizer)
    elif tokenizer is not None or name is not None:
        message = f"--tokenizer and --name go with a model of this notebook, and no variable {model} holds one"
        raise InvalidRequest(message)
    output = cell_output(magics.shell, View())
    try:
        loaded = api.load(model, **options, on_progress=output.progress)
    except BaseException:
        output.finish(())
        raise
    output.say(loaded_line(loaded))


def _checked_dtype(dtype: str | None) -> str | None:
    if dtype is None or dtype in DTYPES:
        return dtype
    message = f"--dtype is one of {', '.join(DTYPES)}, not {dtype!r}{did_you_mean(dtype, DTYPES)}"
    raise InvalidRequest(message)


def _is_model_object(value: object) -> bool:
    """Tell whether a variable holds a transformers model, without importing transformers to ask."""
    return any(each.__name__ == "PreTrainedModel" for each in type(value).__mro__)


def _variable(magics: GPTMagics, name: str) -> Any:
    if name not in magics.shell.user_ns:
        message = f"{name} is no variable of this notebook{did_you_mean(name, magics.shell.user_ns)}"
        raise InvalidRequest(message)
    return magics.shell.user_ns[name]


def _unload(magics: GPTMagics, words: Words) -> None:
    model = words.required()
    api.unload(model)
    _say(magics, f"{model} is unloaded")


def _connect(magics: GPTMagics, words: Words) -> None:
    address = words.required()
    if address == "local":
        api.connect(None)
        _say(magics, "connected to the model kernel of this machine")
        return
    # The environment's token is taken only where it belongs: it must not go to another host.
    api.connect(address, token=api.session.token_for(address) or _ask_for_token(address))
    _say(magics, f"connected to {address}")


def _ask_for_token(address: str) -> str:
    """Ask for a secret where it is not seen: on the line it would end up in the history and in the saved notebook."""
    from getpass import getpass

    try:
        return getpass(f"token of the model kernel at {address}: ")
    except (EOFError, NotImplementedError) as error:
        message = f"the model kernel at {address} needs its token: set GPT_NOTEBOOK_TOKEN"
        raise InvalidRequest(message) from error


def _cancel(magics: GPTMagics, words: Words) -> None:
    words.end()
    count = api.cancel()
    _say(magics, f"stopped {counted(count, 'generation')}" if count else "nothing was running")


def _shutdown(magics: GPTMagics, words: Words) -> None:
    force = words.switch("--force")
    words.end()
    stopped = api.shutdown(force=force)
    _say(magics, "the model kernel has ended" if stopped else "no model kernel was running")


def _reset(magics: GPTMagics, words: Words) -> None:
    name = words.optional()
    if name is None:
        count = magics.conversations.forget_all()
        _say(magics, f"forgot {counted(count, 'conversation')}")
        return
    if not magics.conversations.forget(name):
        known = magics.conversations.names()
        there = did_you_mean(name, known) or f"; there is {', '.join(known) or 'none'}"
        message = f"there is no conversation {name!r}{there}"
        raise InvalidRequest(message)
    _say(magics, f"forgot the conversation {name}")


def _error(magics: GPTMagics, words: Words) -> None:
    words.end()
    sys.stdout.write(magics.last_traceback() or "no error so far\n")


def _help(magics: GPTMagics, words: Words) -> None:
    del magics
    words.end()
    sys.stdout.write(HELP)


_COMMANDS: dict[str, Command] = {
    "use": _use,
    "status": _status,
    "models": _models,
    "load": _load,
    "unload": _unload,
    "connect": _connect,
    "cancel": _cancel,
    "shutdown": _shutdown,
    "reset": _reset,
    "error": _error,
    "help": _help,
}


def _say(magics: GPTMagics, line: str) -> None:
    _report(magics, Report(line=line))


def _report(magics: GPTMagics, report: Report) -> None:
    magics.shell.display_pub.publish(data={"text/plain": report.text(), "text/html": report.html()}, metadata={})
