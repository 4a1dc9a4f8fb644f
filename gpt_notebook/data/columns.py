"""Which columns of data are the text to learn, or the prompt and its completion, or the messages of a chat.

Whoever has data says so with a column's name, or with a template that is filled from several. Otherwise columns are known
by their names; what is taken for granted is only `text`, `prompt` and `completion`, and `messages`, and every other
choice is told in a note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpt_notebook.cells import ABSENT, article, cell_text
from gpt_notebook.data.messages import turns_of
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import COLUMNS
from gpt_notebook.protocol import check_text
from gpt_notebook.suggestions import did_you_mean, unknown_name
from gpt_notebook.template import Template

TEXTS = ("text", "content", "sentence", "review", "story", "document", "paragraph", "passage", "comment", "tweet")
PROMPTS = ("prompt", "instruction", "question", "query", "input", "source")
COMPLETIONS = ("completion", "response", "answer", "output", "target", "label", "labels", "sentiment", "category")
MESSAGES = ("messages", "conversations", "conversation")
"""What columns are called for each purpose; the first is the one that needs no note."""

NOT_SAID = "say which it is by the option text, by prompt and completion, or by messages; each names a column or, but for messages, is a template such as 'Review: {text}'"


@dataclass(frozen=True)
class Columns:
    """Where the fields of a row come from."""

    fields: Mapping[str, str | Template]
    """By field a column, or a template of several."""
    note: str = ""
    """What was chosen that nobody has said."""

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that are read, each once."""
        found: dict[str, None] = {}
        for source in self.fields.values():
            found.update(dict.fromkeys((source,) if isinstance(source, str) else source.columns))
        return tuple(found)

    def row(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row as the protocol has it.

        Raises:
            InvalidRequest: it lacks something, or has what can't be learnt.
        """
        if (column := self.fields.get("messages")) is not None:
            turns = turns_of(str(column), record.get(str(column), ABSENT))
            for turn in turns:
                _check(str(column), turn["content"])
            return {"messages": turns}
        return {field: _text(field, source, record) for field, source in self.fields.items()}


def choose(names: Sequence[str], asked: Mapping[str, str]) -> Columns:
    """Return where fields come from in data with columns of these names.

    Args:
        names: The columns.
        asked: By field, a column's name or a template, as far as anybody has said.

    Raises:
        InvalidRequest: there is no such column, or several that could be meant.
    """
    _check_together(asked)
    known = {field: _source(field, value, names) for field, value in asked.items()}
    if "text" in known or "messages" in known or len(known) == 2:  # noqa: PLR2004 - prompt and completion
        return Columns(known)
    if known:
        return _other_half(known, names)
    guessed = _guessed(names)
    note = "" if all(field == column for field, column in guessed.items()) else _note(guessed, names)
    return Columns(guessed, note)


def _check_together(asked: Mapping[str, str]) -> None:
    """Refuse names that say different things."""
    for field, value in asked.items():
        if not isinstance(value, str):
            message = f"{field} must be a column's name or a template, not {type(value).__name__}"
            raise InvalidRequest(message, param=field)
    kinds = {"prompt and completion" if field in ("prompt", "completion") else field for field in asked}
    if len(kinds) > 1:
        message = f"a row is one of text, prompt and completion, or messages, not {' and '.join(sorted(kinds))}"
        raise InvalidRequest(message, param=next(iter(asked)))


def _source(field: str, value: str, names: Sequence[str]) -> str | Template:
    if value in names:
        return value
    if "{" in value and field != "messages":
        return Template.of(value, names)
    message = f"{field}: {unknown_name('column', value, names)}"
    raise InvalidRequest(message, param=field)


def _other_half(known: Mapping[str, str | Template], names: Sequence[str]) -> Columns:
    """Return prompt and completion where only one of them has been said."""
    (field,) = known
    other, candidates = ("completion", COMPLETIONS) if field == "prompt" else ("prompt", (*PROMPTS, *TEXTS))
    used = Columns(known).needed
    found = _only(other, [name for name in names if name not in used], candidates)
    if found is None:
        message = f"{field} is given and {other} is not: name its column of {', '.join(names)}, or a template"
        raise InvalidRequest(message, param=other)
    both = {name: known.get(name, found) for name in ("prompt", "completion")}
    return Columns(both, "" if found == other else f"{other} is the column {found}")


def _guessed(names: Sequence[str]) -> dict[str, str]:
    """Return the columns by field, as their names suggest."""
    if (messages := _only("messages", names, MESSAGES)) is not None:
        return {"messages": messages}
    completion = _only("completion", names, COMPLETIONS)
    if completion is not None:
        prompt = _only("prompt", names, PROMPTS) or _only("prompt", names, TEXTS)
        if prompt is not None:
            return {"prompt": prompt, "completion": completion}
    elif (text := _only("text", names, TEXTS)) is not None:
        return {"text": text}
    if len(names) == 1:
        return {"text": names[0]}
    there = f"the columns {', '.join(names)}" if names else "no columns with names"
    near = next((hint for name in names if name not in COLUMNS and (hint := did_you_mean(name.lower(), COLUMNS))), "")
    message = f"the data have {there}{near or f': {NOT_SAID}'}"
    raise InvalidRequest(message, param="data")


def _only(field: str, names: Sequence[str], candidates: Sequence[str]) -> str | None:
    """Return the one column that can be a field, the field's own name first; None where there is none.

    Raises:
        InvalidRequest: there are several.
    """
    if field in names:
        return field
    found = [name for name in names if name.lower() in candidates]
    if len(found) > 1:
        message = f"{field} can be {' or '.join(found)}: {NOT_SAID}"
        raise InvalidRequest(message, param=field)
    return found[0] if found else None


def _note(guessed: Mapping[str, str], names: Sequence[str]) -> str:
    said = " and ".join(f"{field} is the column {column}" for field, column in guessed.items())
    unused = [name for name in names if name and name not in guessed.values()]
    return said + (f"; not used: {', '.join(unused)}" if unused else "")


def _text(field: str, source: str | Template, record: Mapping[str, Any]) -> str:
    def cell(name: str) -> str:
        found = record.get(name, ABSENT)
        if found is ABSENT:
            there = [each for each, value in record.items() if value is not ABSENT]
            message = f"the row has no {name!r}{did_you_mean(name, there)}"
            raise InvalidRequest(message, param=name)
        if isinstance(source, str) and field != "completion" and not isinstance(found, str):
            cell_text(name, found)  # says better what is wrong with an empty one
            message = f"the cell of {name!r} is no text but {article(type(found).__name__)}: make a column of texts of it, or write a template such as {f'Value: {{{name}}}'!r}"
            raise InvalidRequest(message, param=name)
        return cell_text(name, found)

    text = cell(source) if isinstance(source, str) else source.fill(cell)
    _check(field, text)
    return text


def _check(field: str, text: str) -> None:
    check_text(field, text)
    if "\0" in text:
        message = f"{field} holds a NUL character (U+0000 at {text.index(chr(0))}): take it out"
        raise InvalidRequest(message, param=field)
