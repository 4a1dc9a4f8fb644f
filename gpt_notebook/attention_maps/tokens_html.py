"""What an attention shows of itself in a notebook: the tokens that it is of, and what it can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gpt_notebook.attention_maps.token_names import BROKEN
from gpt_notebook.attention_protocol import AttentionInfo
from gpt_notebook.display import completion_html, token_html
from gpt_notebook.display.quantities import counted
from gpt_notebook.protocol import Token

SHOWN = 200
"""Tokens; a longer text ends with how many more there are."""
NEXT = (
    "a.plot() shows all heads, a.plot(layer, head) one, a.top('induction') finds those with a habit; "
    "docs/attention.md and help(gpt.Attention) tell the rest"
)


def tokens_html(info: AttentionInfo) -> str:
    """Return the tokens of an attention as a page of HTML without script."""
    texts = [info.tokens, info.target_tokens] if info.target_tokens else [info.tokens]
    body = token_html.STYLE + "".join(map(_shown, texts))
    sizes = ", ".join(
        [
            " and ".join(counted(len(each), "token") for each in texts),
            counted(info.n_layers, "layer"),
            counted(info.n_heads, "head"),
            info.model,
        ]
    )
    return completion_html.page(completion_html.heading(f"attention of {sizes}") + body, footer=NEXT)


def _shown(tokens: Sequence[Token]) -> str:
    # Pieces of characters show their bytes.
    pieces = [replace(each, text="") if each.bytes and BROKEN in each.text else each for each in tokens[:SHOWN]]
    more = len(tokens) - SHOWN
    return token_html.tokens(pieces) + (
        completion_html.heading(f"and {counted(more, 'token')} more") if more > 0 else ""
    )
