"""The commands of the `%gpt` line: thin adapters between words on a line and the functions of `api`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpt_notebook import api, arguments
from gpt_notebook.adapter_places import split as split_model
from gpt_notebook.display import completion_html
from gpt_notebook.display.bundle import View
from gpt_notebook.display.job_reports import job_report, jobs_report
from gpt_notebook.display.quantities import counted
from gpt_notebook.display.reports import Report, adapters_report, loaded_line, models_report, status_report
from gpt_notebook.errors import AuthenticationFailed, InvalidRequest
from gpt_notebook.fine_tuning import functions as finetuning
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.magics.cell_output import cell_output, is_terminal
from gpt_notebook.magics.help_text import DTYPES, HELP, JOB_COMMANDS
from gpt_notebook.magics.options import HELP_FLAGS, split
from gpt_notebook.magics.words import Words
from gpt_notebook.suggestions import did_you_mean, nearest

if TYPE_CHECKING:
    from gpt_notebook.magics.magics import GPTMagics

Command = Callable[["GPTMagics", Words], None]


def run(magics: GPTMagics, line: str) -> None:
    """Run a `%gpt` line.

    Raises:
        InvalidRequest: there is no such command, or it was given what it doesn't take.
        GptNotebookError: what the model kernel has to say.
    """
    words = split(line)
    name = words[0] if words and words[0] not in HELP_FLAGS else "help"
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
    """Say so where a model is not on this machine; it may well be on the hub.

    Raises:
        InvalidRequest: it is most likely a slip of the pen; the hub's ids with an owner are left to the hub.
    """
    model, adapter = split_model(model)
    if adapter is not None:
        _check_adapter(adapter)
    names = [each.name for each in api.models()]
    if model in names or Path(model).expanduser().exists():
        return ""
    near = nearest(model, names)
    if near is not None and "/" not in model and not near.startswith(model):
        message = f"there is no model {model} here; did you mean {near}? Cells go on using {api.session.model}"
        raise InvalidRequest(message, param="model")
    return "; it is not here yet: the next cell asks the hub for it"


def _check_adapter(adapter: str) -> None:
    """Refuse the name of an adapter that is most likely a slip of the pen; one that is being trained may come yet.

    Raises:
        InvalidRequest: another one has nearly this name.
    """
    names = [each.name for each in api.adapters()]
    name = adapter.partition(":")[0]
    if name in names or "/" in name or Path(name).expanduser().exists():
        return
    if (near := nearest(name, names)) is not None:
        message = f"there is no adapter {name} here; did you mean {near}? Cells go on using {api.session.model}"
        raise InvalidRequest(message, param="model")


def _status(magics: GPTMagics, words: Words) -> None:
    words.end()
    _report(magics, status_report(api.status(), api.session.model))


def _models(magics: GPTMagics, words: Words) -> None:
    words.end()
    _report(magics, models_report(api.models(), api.session.model))


def _adapters(magics: GPTMagics, words: Words) -> None:
    words.end()
    _report(magics, adapters_report(api.adapters()))


def _jobs(magics: GPTMagics, words: Words) -> None:
    name, command = words.two()
    if name is None:
        _report(magics, jobs_report(job_records.infos()))
        return
    job = finetuning.job(name)
    if command is not None:
        arguments.one_of("what a job is told", command, JOB_COMMANDS)
        done = getattr(job, command)()
        if command == "delete":
            _report(magics, Report(line=f"{name} is deleted" if done else f"{name} stays as it is"))
            return
    _report(magics, job_report(job.status))


def _attach(magics: GPTMagics, words: Words) -> None:
    """Show a job where it can be watched and steered; a terminal gets a report, and waits for what goes on."""
    job = finetuning.job(words.required())
    if not is_terminal(magics.shell):
        for data, metadata in job.panel().outputs():
            magics.shell.display_pub.publish(data, metadata)
        return
    info = job.status
    sys.stdout.write(f"{job_report(info).text()}\n")
    if info.state in ("queued", "running"):
        job.wait()
        sys.stdout.write(f"{job_report(job.status).text()}\n")


def _load(magics: GPTMagics, words: Words) -> None:
    dtype, tokenizer, name = words.option("--dtype"), words.option("--tokenizer"), words.option("--name")
    model: Any = words.required()
    options: dict[str, Any] = {"dtype": _checked_dtype(dtype)}
    if _is_model_object(value := magics.shell.user_ns.get(model)):
        options["name"] = name or model
        model = value
        options["tokenizer"] = None if tokenizer is None else _variable(magics, tokenizer)
    elif name is not None and tokenizer is None and split_model(model)[1] is not None:
        options["name"] = name
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
    else:
        _connect_to(address)
    _say(magics, f"connected to {api.session.place}")


def _connect_to(address: str) -> None:
    """Connect with the environment's token, or without one to see who is there; ask for it if it is wanted."""
    try:
        api.connect(address)
    except AuthenticationFailed as error:
        token = _asked_for_token(address, error)
    else:
        return
    api.connect(address, token=token)


def _asked_for_token(address: str, refusal: AuthenticationFailed) -> str:
    """Ask for a secret where it is not seen: on the line it would end up in the history and in the saved notebook.

    Raises:
        AuthenticationFailed: nobody can be asked, as in a notebook that runs by itself; the refusal says what to set.
    """
    from getpass import GetPassWarning, getpass

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", GetPassWarning)  # it would be seen
            return getpass(f"token of the model kernel at {address}: ")
    except (EOFError, NotImplementedError, GetPassWarning):
        raise refusal from None


def _cancel(magics: GPTMagics, words: Words) -> None:
    words.end()
    count = api.cancel()
    _say(magics, f"stopped {counted(count, 'generation')}" if count else "nothing was running")


def _shutdown(magics: GPTMagics, words: Words) -> None:
    force = words.switch("--force")
    words.end()
    stopped = api.shutdown(force=force)
    _say(magics, f"{api.session.place} has ended" if stopped else "no model kernel was running")


def _reset(magics: GPTMagics, words: Words) -> None:
    name = words.optional()
    if name is None:
        count = magics.conversations.forget_all()
        _say(magics, f"forgot {counted(count, 'conversation')}")
        return
    if not magics.conversations.forget(name):
        known = magics.conversations.names()
        there = f"you have {', '.join(known)}" if known else "none has begun yet"
        message = f"there is no conversation {name!r}{did_you_mean(name, known) or f': {there}'}"
        raise InvalidRequest(message)
    _say(magics, f"forgot the conversation {name}")


def _error(magics: GPTMagics, words: Words) -> None:
    words.end()
    sys.stdout.write(magics.last_traceback() or "no error so far\n")


def _help(magics: GPTMagics, words: Words) -> None:
    words.end()
    # As an output of its own: JupyterLab breaks the lines of printed text inside words.
    data = {"text/plain": HELP, "text/html": completion_html.page(completion_html.code(HELP))}
    magics.shell.display_pub.publish(data=data, metadata={})


_COMMANDS: dict[str, Command] = {
    "use": _use,
    "status": _status,
    "models": _models,
    "adapters": _adapters,
    "jobs": _jobs,
    "attach": _attach,
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
