"""How surprised a model is by a text: its tokens as static HTML, shaded by their probability, and the perplexity below."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpt_notebook.display import completion_html, token_html
from gpt_notebook.display.quantities import counted
from gpt_notebook.likelihood import Perplexity

MAX_SHOWN = 4000
"""Tokens that are shown; a page of many more is slow."""


def perplexity_bundle(found: Perplexity, *, notices: Sequence[str] = ()) -> dict[str, str]:
    """Return what a notebook shows of a perplexity, by MIME type; notices are lines to put above."""
    left = len(found.tokens) - MAX_SHOWN
    if left > 0:
        notices = (*notices, f"the first {MAX_SHOWN:,} tokens are shown, {left:,} more are left out")
    body = token_html.STYLE + token_html.tokens(found.tokens[:MAX_SHOWN]) + token_html.legend()
    return {
        "text/plain": repr(found),
        "text/html": completion_html.page(body, notices=notices, footer=_footer(found)),
    }


def _footer(found: Perplexity) -> str:
    parts = [found.model, counted(len(found.tokens), "token")]
    if found.per_token:
        mean = math.fsum(found.per_token) / len(found.per_token)
        parts += [f"perplexity {float(found):.4g}", f"{mean:.3g} nats a token"]
    return " · ".join(part for part in parts if part)
