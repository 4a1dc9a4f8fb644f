"""One run of a `%%gpt` cell: read its options, prepare its prompt, stream the answer into its output."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from gpt_notebook import api
from gpt_notebook.completion import Collector, Completion
from gpt_notebook.display.bundle import Samples, View
from gpt_notebook.display.quantities import counted
from gpt_notebook.errors import GenerationInterrupted, GptNotebookError, InvalidRequest
from gpt_notebook.magics.cell_output import CellOutput, cell_output, show_attention
from gpt_notebook.magics.conversation import Conversation
from gpt_notebook.magics.interpolation import interpolate
from gpt_notebook.magics.options import EXAMPLE, TOKENS_LOGPROBS, CellOptions, parse
from gpt_notebook.magics.running_cell import cell_identity
from gpt_notebook.protocol import Event, Progress, SamplingOptions
from gpt_notebook.suggestions import did_you_mean

if TYPE_CHECKING:
    from gpt_notebook.comparison import Comparison
    from gpt_notebook.likelihood import Perplexity
    from gpt_notebook.magics.magics import GPTMagics

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Prompt:
    """What a cell says to the model, and what the user should know about it."""

    text: str
    system: str | None = None
    notices: tuple[str, ...] = ()


def run(magics: GPTMagics, line: str, cell: str) -> object:
    """Run a `%%gpt` cell, and return what its magic returns.

    Raises:
        InvalidRequest: the cell makes no sense; nothing was started.
        GptNotebookError: what the model kernel has to say; the completion as far as it had come is in the output, in `_`
            and in the variable of --into. So it is where only the attention of --attention can't be shown.
        GenerationInterrupted: the user interrupted it; likewise.
    """
    shell = magics.shell
    options = parse(line)
    prompt = prepare(cell, options, shell)
    if options.into is not None:
        # An older value must not pass for this cell's, whatever happens now.
        shell.user_ns.pop(options.into, None)
    if options.surprise:
        return magics.value.hand_over(_put(shell, options, _read(shell, prompt, options)))
    try:
        if options.compare:
            return magics.value.hand_over(_put(shell, options, _side_by_side(shell, prompt, options)))
        if options.chat is None:
            completions = _go_on(shell, prompt, options)
        else:
            identity = cell_identity(shell, f"{line}\n{cell}")
            completions = _converse(shell, magics.conversations.get(options.chat), identity, prompt, options)
    except (GptNotebookError, GenerationInterrupted) as error:
        if error.partial:
            magics.value.remember(_keep(shell, options, error.partial))
        raise
    if options.format == "code":
        from gpt_notebook.display.text_formats import unfenced

        shell.set_next_input(unfenced(completions[0].text), replace=False)
    value = _keep(shell, options, completions)
    if options.attention:
        try:
            show_attention(shell, completions[0])
        except (GptNotebookError, KeyboardInterrupt):
            magics.value.remember(value)
            raise
    return magics.value.hand_over(value)


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


def _keep(shell: Any, options: CellOptions, completions: tuple[Completion, ...]) -> Completion | Samples:
    """Return completions as the value of their cell, and put it where --into says."""
    return _put(shell, options, completions[0] if len(completions) == 1 else Samples(completions))


def _put(shell: Any, options: CellOptions, value: _Value) -> _Value:
    """Put the value of a cell where --into says, and return it."""
    if options.into is not None:
        shell.push({options.into: value}, interactive=True)
    return value


def _read(shell: Any, prompt: Prompt, options: CellOptions) -> Perplexity:
    """Let the model read the cell instead of going on from it."""
    from gpt_notebook.magics.surprise import surprised

    output = cell_output(shell, View(notices=prompt.notices))
    return surprised(prompt.text, output, model=options.model, logprobs=TOKENS_LOGPROBS, notices=prompt.notices)


def _side_by_side(shell: Any, prompt: Prompt, options: CellOptions) -> Comparison:
    """Let several models go on from the prompt."""
    from gpt_notebook.magics.compare import compared

    return compared(prompt, options, cell_output(shell, View(notices=prompt.notices)))


def _go_on(shell: Any, prompt: Prompt, options: CellOptions) -> tuple[Completion, ...]:
    """Let the model go on from the prompt alone."""
    chat = False if options.complete else None
    events = api.events(prompt.text, model=options.model, chat=chat, system=prompt.system, **options.asked)
    return show(events, _output(shell, options, prompt.notices))


def _converse(
    shell: Any, conversation: Conversation, identity: str | None, prompt: Prompt, options: CellOptions
) -> tuple[Completion, ...]:
    """Say the prompt in a conversation, and keep the turn when the answer is complete."""
    dropped, notices = conversation.rewind(identity), prompt.notices
    if dropped:
        them = "its cell" if dropped == 1 else "their cells"
        notices += (f"{counted(dropped, 'later turn')} dropped: run {them} again",)
    if prompt.system is not None:
        conversation.system = prompt.system
    messages = conversation.messages(prompt.text)
    events = api.events(messages=messages, model=options.model, **options.asked)
    completions = show(events, _output(shell, options, notices))
    if completions[0].complete:
        conversation.keep(identity, prompt.text, completions[0].text)
    return completions


def _output(shell: Any, options: CellOptions, notices: tuple[str, ...]) -> CellOutput:
    asked = SamplingOptions(**options.sampling).max_new_tokens
    view = View(format=options.format, tokens=options.tokens, notices=notices, max_new_tokens=asked)
    return cell_output(shell, view)


def _notices(text: str, undefined: dict[str, None], variables: dict[str, Any]) -> Iterator[str]:
    for name in undefined:
        hint = did_you_mean(name, (each for each in variables if not each.startswith("_")))
        yield f"{{{name}}} is no variable of this notebook and stays as typed{hint}"
    if text != text.rstrip(" \t"):
        yield "the prompt ends with a space, which changes what the model says next: delete it if it is not meant"
