"""Tab completion on `%%gpt` and `%gpt` lines: options, commands, formats, models, adapters, jobs, conversations.

Never starts a model kernel, and never makes anyone wait.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from gpt_notebook.magics import help_text, options
from gpt_notebook.magics.conversation import Conversations
from gpt_notebook.magics.model_names import AdapterNames, JobNames, ModelNames

OURS = "_gpt_notebook"
"""The attribute that marks our matcher among those of the shell."""

_LINE = re.compile(r"\s*(?P<magic>%%?gpt)\s(?P<before>(?:.*\s)?)(?P<fragment>\S*)$")

_BEFORE_A_CONVERSATION = (["--chat"], ["reset"])
"""Nothing that Python knows can stand after these."""

Matcher = Callable[[CompletionContext], dict[str, Any]]


def matcher(conversations: Conversations) -> Matcher:
    """Return a matcher for IPython's completer."""
    names = _Names(ModelNames(), AdapterNames(), JobNames())

    @context_matcher()  # type: ignore[untyped-decorator]
    def gpt_matcher(context: CompletionContext) -> dict[str, Any]:
        line = _LINE.match(context.text_until_cursor)
        if line is None or (line["magic"] == "%%gpt" and context.cursor_line != 0):
            return {"completions": []}
        words = line["before"].split()
        fragment = line["fragment"]
        after = _in_cell if line["magic"] == "%%gpt" else _in_line
        candidates = after(words, fragment, conversations, names)
        found = [SimpleCompletion(text=each, type="magic") for each in candidates if each.startswith(fragment)]
        if not found and words[-1:] in _BEFORE_A_CONVERSATION:
            # What is typed, unchanged: IPython's own guesses are suppressed only beside something.
            found = [SimpleCompletion(text=fragment, type="magic")]
        return {"completions": found, "suppress": bool(found), "matched_fragment": fragment}

    setattr(gpt_matcher, OURS, True)
    return gpt_matcher  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Names:
    """The names that models, adapters and jobs have."""

    models: ModelNames
    adapters: AdapterNames
    jobs: JobNames

    def beginning(self, fragment: str) -> Iterable[str]:
        """Return the model strings that can begin like this: with adapters, once there is a +."""
        base, plus, _ = fragment.partition("+")
        return [f"{base}+{each}" for each in self.adapters()] if plus else self.models()


def _in_cell(words: list[str], fragment: str, conversations: Conversations, names: _Names) -> Iterable[str]:
    """Return what can come after these words of a `%%gpt` line."""
    option = options.option(words[-1]) if words else None
    last = next(filter(None, map(options.option, reversed(words))), None)
    if last is not None and last.several and not fragment.startswith("-"):
        return names.beginning(fragment)
    if option is None or not option.takes_value:
        used = {each.field for word in words if (each := options.option(word)) and not each.repeats}
        return [flag for each in options.OPTIONS if each.field not in used for flag in each.flags]
    if option.field == "model":
        return names.beginning(fragment)
    if option.field == "adapter":
        return names.adapters()
    if option.field == "chat":
        return conversations.names()
    return option.choices or ()


def _in_line(words: list[str], fragment: str, conversations: Conversations, names: _Names) -> Iterable[str]:
    """Return what can come after these words of a `%gpt` line."""
    match words:
        case []:
            found: Iterable[str] = help_text.COMMANDS
        case ["use" | "load" | "unload"]:
            found = names.beginning(fragment)
        case ["load", *_, "--dtype"]:
            found = help_text.DTYPES
        case ["load", *_]:
            found = ("--dtype", "--tokenizer", "--name")
        case ["jobs" | "attach"]:
            found = names.jobs()
        case ["jobs", _]:
            found = help_text.JOB_COMMANDS
        case ["connect"]:
            found = ("local",)
        case ["shutdown"]:
            found = ("--force",)
        case ["reset"]:
            found = conversations.names()
        case _:
            found = ()
    return found
