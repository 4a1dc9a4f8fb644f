"""The formats of `%%gpt --format`: a model's text as Markdown, as code, as JSON.

What a model says is never trusted: Markdown is rendered without raw HTML and images, with links to the web only, and the
result is cleaned once more; code is shown, never run. The two libraries are imported when they are first needed.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable

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


def pretty_json(text: str) -> str | None:
    """Return the JSON in a text with its structure laid out, or None where it cannot be read."""
    try:
        value = json.loads(unfenced(text))
        return json.dumps(value, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
