"""How completions look in a notebook: the MIME bundle of one or of several samples, and the metadata beside it.

A bundle holds the plain text, the completion as our own MIME type for front ends that know it, and the static HTML twin
for those that don't. What varies from run to run although the text does not, such as its timing, is in none of them, so
that a notebook with seeds is the same notebook after each run.

Knows completions, and nothing of shells, streams or where they came from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gpt_notebook.completion import Completion
from gpt_notebook.display import completion_html
from gpt_notebook.display.footer import final_footer, live_footer
from gpt_notebook.errors import NotJson
from gpt_notebook.protocol import Token, TopLogprob
from gpt_notebook.visible_text import visible

COMPLETION_MIME = "application/vnd.gpt-notebook.completion+json"

Format = Literal["text", "markdown", "code", "json"]

Bundle = tuple[dict[str, Any], dict[str, Any]]
"""Data by MIME type, and metadata."""

LOGPROB_DIGITS = 4
"""Digits after the point of the numbers that are saved; those beyond differ from machine to machine."""


@dataclass(frozen=True, kw_only=True)
class View:
    """How to show completions."""

    format: Format = "text"
    tokens: bool = False
    notices: tuple[str, ...] = ()
    """Lines to put above."""
    max_new_tokens: int | None = None
    """The length that was asked for, where that is known; the completion has the one that fitted into the context."""


class Samples(list[Completion]):
    """The completions of one prompt, shown together."""

    def __str__(self) -> str:
        return plain_text(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        return bundle(self)


def completion_bundle(completion: Completion) -> Bundle:
    """Return what a notebook shows of one completion."""
    return bundle([completion])


def bundle(completions: Sequence[Completion], view: View | None = None, *, reason: str = "incomplete") -> Bundle:
    """Return what a notebook shows of the samples of one prompt.

    Args:
        completions: at least one.
        view: how to show them.
        reason: what to call it where a completion was cut off.
    """
    view = view or View()
    data = {
        "text/plain": plain_text(completions, reason=reason),
        "text/html": _html(completions, view, reason),
        COMPLETION_MIME: _json(completions, view),
    }
    return data, {"gpt_notebook": metadata(completions)}


def live_bundle(completions: Sequence[Completion], view: View, *, tokens_per_second: float | None) -> Bundle:
    """Return what a notebook shows while the samples grow: the final look without what only the end can tell."""
    footer = live_footer(completions, tokens_per_second)
    html = completion_html.page(_body(completions, view), notices=view.notices, footer=footer)
    texts = [{"text": each.text, "finish_reason": each.finish_reason} for each in completions]
    data = {
        "text/plain": "\n\n".join(visible(each.text) for each in completions),
        "text/html": html,
        COMPLETION_MIME: {"model": completions[0].model, "completions": texts},
    }
    return data, {}


def plain_text(completions: Sequence[Completion], *, reason: str = "incomplete") -> str:
    """Return the texts, numbered if there are several; one that was cut off says so in its last line."""
    texts = [_marked(each, reason) for each in completions]
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"[{number}]\n{text}" for number, text in enumerate(texts, start=1))


def metadata(completions: Sequence[Completion]) -> dict[str, Any]:
    """Return how the samples came to be; fields that each sample has of its own are lists where there are several."""
    each_usage = [dataclasses.asdict(each.usage) for each in completions]
    each_reason = [each.finish_reason for each in completions]
    first = completions[0]
    several = len(completions) > 1
    return {
        **_shared(first),
        "usage": each_usage if several else each_usage[0],
        "finish_reason": each_reason if several else each_reason[0],
    }


def mark(completion: Completion, reason: str = "incomplete") -> str:
    """Return the sign of a completion that did not come to its end, or "" for one that did."""
    if completion.complete:
        return ""
    return "cancelled" if completion.finish_reason == "cancelled" else reason


def _marked(completion: Completion, reason: str) -> str:
    sign = mark(completion, reason)
    text = visible(completion.text)
    return f"{text}\n[{sign}]" if sign else text


def _shared(completion: Completion) -> dict[str, Any]:
    """Return what all samples of one prompt have in common."""
    return {
        "model": completion.model,
        "fingerprint": completion.fingerprint,
        "options": dataclasses.asdict(completion.options),
        "prompt": completion.prompt,
    }


def _json(completions: Sequence[Completion], view: View) -> dict[str, Any]:
    """Return our own MIME type's data; the tokens only where they are shown, for they outweigh all the rest."""
    shared, own = _shared(completions[0]), [_own(each) for each in completions]
    if view.tokens:
        shared["prompt_token_ids"] = list(completions[0].prompt_token_ids)
        for each, completion in zip(own, completions, strict=True):
            each["tokens"] = [_token(token) for token in completion.tokens]
    return {**shared, "completions": own}


def _own(completion: Completion) -> dict[str, Any]:
    return {
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "usage": dataclasses.asdict(completion.usage),
    }


def _token(token: Token) -> dict[str, Any]:
    """Return a token's fields, without those that say nothing: a saved notebook holds thousands."""
    fields: dict[str, Any] = {"id": token.id, "text": token.text}
    fields |= _numbers(token, "logprob")
    if token.top_logprobs:
        fields["top_logprobs"] = [
            {"id": each.id, "text": each.text, **_numbers(each, "logprob", "sampling_probability")}
            for each in token.top_logprobs
        ]
    fields |= _numbers(token, "sampling_probability", "rank", "entropy")
    if token.bytes:
        fields["bytes"] = list(token.bytes)
    if token.special:
        fields["special"] = True
    return fields


def _numbers(of: Token | TopLogprob, *names: str) -> dict[str, float]:
    """Return those of its numbers that there are."""
    return {name: round(value, LOGPROB_DIGITS) for name in names if (value := getattr(of, name)) is not None}


def _html(completions: Sequence[Completion], view: View, reason: str) -> str:
    marks = [mark(each, reason) for each in completions]
    return completion_html.page(
        _body(completions, view, marks),
        notices=(*view.notices, *_format_notices(completions, view)),
        footer=final_footer(completions, max_new_tokens=view.max_new_tokens),
        mark=marks[0] if len(set(marks)) == 1 else "",
    )


def _body(completions: Sequence[Completion], view: View, marks: Sequence[str] = ()) -> str:
    bodies = [_one(each, view) for each in completions]
    if view.tokens:
        from gpt_notebook.display import token_html

        before, after = token_html.STYLE, token_html.legend()
    else:
        before, after = "", ""
    if len(bodies) == 1:
        return before + bodies[0] + after
    signs = marks if len(set(marks)) > 1 else [""] * len(bodies)
    return before + completion_html.samples(zip(bodies, signs, strict=True)) + after


def _one(completion: Completion, view: View) -> str:
    if view.tokens:
        from gpt_notebook.display import token_html

        return token_html.tokens(completion.tokens)
    if view.format == "text":
        return completion_html.prose(completion.text)
    from gpt_notebook.display import text_formats

    if view.format == "markdown":
        return completion_html.block(text_formats.markdown_html(completion.text))
    if view.format == "code":
        return completion_html.code(text_formats.unfenced(completion.text))
    return completion_html.code(text_formats.pretty_json(completion.text) or completion.text)


def _format_notices(completions: Iterable[Completion], view: View) -> tuple[str, ...]:
    """Say where a text is not what --format promised."""
    if view.format != "json":
        return ()
    from gpt_notebook.display.text_formats import parsed_json

    for each in completions:
        try:
            parsed_json(each.text)
        except NotJson as error:
            return (f"{error.message}; shown as it is",)
    return ()
