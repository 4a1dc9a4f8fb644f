"""One run of a `%%gpt` cell: read its options, prepare its prompt, stream the answer into its output."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from gpt_notebook import api
from gpt_notebook.completion import Collector, Completion
from gpt_notebook.display.bundle import Samples, View
from gpt_notebook.errors import GenerationInterrupted, GptNotebookError, InvalidRequest
from gpt_notebook.magics.cell_output import CellOutput, cell_output
from gpt_notebook.magics.conversation import Conversation, Conversations
from gpt_notebook.magics.interpolation import interpolate
from gpt_notebook.magics.options import EXAMPLE, CellOptions, parse
from gpt_notebook.magics.running_cell import cell_identity
from gpt_notebook.protocol import Event, Progress
from gpt_notebook.suggestions import did_you_mean


@dataclass(frozen=True)
class Prompt:
    """What a cell says to the model, and what the user should know about it."""

    text: str
    system: str | None = None
    notices: tuple[str, ...] = ()


def run(shell: Any, conversations: Conversations, line: str, cell: str) -> Completion | Samples:
    """Run a `%%gpt` cell.

    Raises:
        InvalidRequest: the cell makes no sense; nothing was started.
        GptNotebookError: what the model kernel has to say; the text as far as it had come stays in the output.
        GenerationInterrupted: the user interrupted it; likewise.
    """
    options = parse(line)
    prompt = prepare(cell, options, shell)
    view = View(format=options.format, tokens=options.tokens, notices=prompt.notices)
    output = cell_output(shell, view)
    if options.chat is None:
        chat = False if options.complete else None
        events = api.events(prompt.text, model=options.model, chat=chat, system=prompt.system, **options.sampling)
        completions = show(events, output)
    else:
        identity = cell_identity(shell, f"{line}\n{cell}")
        completions = _converse(conversations.get(options.chat), identity, prompt, options, output)
    value = completions[0] if len(completions) == 1 else Samples(completions)
    if options.into is not None:
        shell.push({options.into: value}, interactive=True)
    if options.format == "code":
        from gpt_notebook.display.text_formats import unfenced

        shell.set_next_input(unfenced(completions[0].text), replace=False)
    return value


def prepare(cell: str, options: CellOptions, shell: Any) -> Prompt:
    """Return the prompt of a cell: one final newline taken off, variables filled in, and what is odd about it noticed.

    Raises:
        InvalidRequest: there is no prompt.
    """
    text, system, undefined = cell.removesuffix("\n"), options.system, dict[str, None]()
    if not text.strip():
        example = EXAMPLE.replace("\n", " ⏎ ")
        message = f"the cell is empty: write the prompt below its first line, such as {example}"
        raise InvalidRequest(message)
    variables = user_variables(shell)
    if not options.no_vars:
        filled = interpolate(text, variables)
        text, undefined = filled.text, dict.fromkeys(filled.undefined)
        if system:
            filled = interpolate(system, variables)
            system, undefined = filled.text, undefined | dict.fromkeys(filled.undefined)
    return Prompt(text, system, tuple(_notices(text, undefined, variables)))


def user_variables(shell: Any) -> dict[str, Any]:
    """Return the variables that the user has made, and the outputs; not what IPython puts beside them."""
    hidden = shell.user_ns_hidden
    return {
        name: value
        for name, value in shell.user_ns.items()
        if name.startswith("_") or name not in hidden or hidden[name] is not value
    }


def show(events: Generator[Event, None, None], output: CellOutput) -> tuple[Completion, ...]:
    """Stream events into an output, and return the completions.

    Raises:
        GptNotebookError: the stream failed; carries the completions as far as they had come.
        GenerationInterrupted: the user interrupted it; likewise.
    """
    collector = Collector()
    try:
        with contextlib.closing(events):
            for event in events:
                if isinstance(event, Progress):
                    output.progress(event)
                else:
                    collector.add(event)
                    output.update(collector.completions())
    except KeyboardInterrupt as interrupt:
        partial = collector.completions()
        output.finish(partial, reason="incomplete: interrupted")
        raise GenerationInterrupted(partial) from interrupt
    except Exception as error:
        if isinstance(error, GptNotebookError):
            error.partial = collector.completions()
        output.finish(collector.completions())
        raise
    completions = collector.completions()
    output.finish(completions)
    return completions


def _converse(
    conversation: Conversation, identity: str | None, prompt: Prompt, options: CellOptions, output: CellOutput
) -> tuple[Completion, ...]:
    """Say the prompt in a conversation, and keep the turn when the answer is complete."""
    conversation.rewind(identity)
    if prompt.system is not None:
        conversation.system = prompt.system
    messages = conversation.messages(prompt.text)
    completions = show(api.events(messages=messages, model=options.model, **options.sampling), output)
    if completions[0].complete:
        conversation.keep(identity, prompt.text, completions[0].text)
    return completions


def _notices(text: str, undefined: dict[str, None], variables: dict[str, Any]) -> Iterator[str]:
    for name in undefined:
        hint = did_you_mean(name, (each for each in variables if not each.startswith("_")))
        yield f"{{{name}}} is no variable of this notebook and stays as typed{hint}"
    if text != text.rstrip(" \t"):
        yield "the prompt ends with a space, which changes what the model says next"
