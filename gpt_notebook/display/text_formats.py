"""The formats of `%%gpt --format`: a model's text as Markdown, as code, as JSON.

What a model says is never trusted: Markdown is rendered without raw HTML and images, with links to the web only, and the
result is cleaned once more; code is shown, never run. The two libraries are imported when they are first needed.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from typing import Any

from gpt_notebook.errors import NotJson
from gpt_notebook.visible_text import visible

_FENCE = re.compile(
    r"^ {0,3}(?P<fence>```+|~~~+)[^\n]*\n(?P<body>.*?)(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)

_TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}


def markdown_html(text: str) -> str:
    """Return safe HTML of a Markdown text."""
    return _markdown_renderer()(visible(text))


@functools.cache
def _markdown_renderer() -> Callable[[str], str]:
    import nh3
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")

    def render(text: str) -> str:
        return nh3.clean(
            markdown.render(text),
            tags=_TAGS,
            attributes={"a": {"href", "title"}, "ol": {"start"}},
            url_schemes={"http", "https"},
            url_relative="deny",
            link_rel="noopener noreferrer nofollow",
        )

    return render


def unfenced(text: str) -> str:
    """Return the first fenced block of a text, or the whole text where there is none."""
    found = _FENCE.search(text)
    return (found["body"] if found else text).strip("\n")


def parsed_json(text: str) -> Any:
    """Return the value of the JSON in a text, in its first fenced block where it has one.

    Raises:
        NotJson: it can't be read; says where, and why.
    """
    body = unfenced(text)
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        message = (
            f"the text is no JSON: {error.msg[:1].lower()}{error.msg[1:]} at line {error.lineno}, column {error.colno}"
        )
    except (ValueError, RecursionError):
        message = "the text is no JSON that can be read: a number in it is too long, or it is nested too deeply"
    raise NotJson(message)


def pretty_json(text: str) -> str | None:
    """Return the JSON in a text with its structure laid out, or None where it cannot be read."""
    try:
        return json.dumps(parsed_json(text), indent=2, ensure_ascii=False)
    except (NotJson, ValueError, RecursionError):
        return None
