"""The panel of a text without tokens: it says what attention is, and has an example to copy.

The twin of `labextension/src/widgets/attention/empty.ts`.
"""

from __future__ import annotations

from html import escape
from typing import Any

from gpt_notebook.attention_protocol import AttentionInfo
from gpt_notebook.display import completion_html
from gpt_notebook.widgets._questions import Memory, question

EXAMPLE = (
    'gpt.AttentionPanel("Once upon a time there was a little fox named Pip. Pip wanted to see the sea. One day Pip")'
)
WHY = "There are no tokens here. Attention is how each token of a text looks back at the ones before it."
COPY = "Copy this example into a cell: the last “Pip” looks for what came after the ones before it."


class EmptyAnswers:
    """Answers about nothing: a view opens, and asks no more."""

    times_again = 0

    def __init__(self) -> None:
        """Remember the one answer, for a page."""
        self.memory = Memory()

    @question()
    def open(self) -> dict[str, Any]:
        """What is looked at, as `AttentionAnswers.open` says it."""
        info = AttentionInfo(
            id="", model="", fingerprint="", tokens=(), n_layers=0, n_heads=0, parts=(), causal=True, bytes=0
        )
        return {"info": info, "other": None, "chosen": {"layer": 0, "head": 0}, "generated": None}


def empty_twin() -> str:
    """Return the static twin: the same words, and the example as code."""
    body = "".join(completion_html.block(escape(each)) for each in (WHY, COPY)) + completion_html.code(EXAMPLE)
    return completion_html.page(body)
