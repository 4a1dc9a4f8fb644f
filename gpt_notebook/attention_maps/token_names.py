"""What a token is called on an axis and in a table."""

from __future__ import annotations

from gpt_notebook.display.token_html import quoted
from gpt_notebook.protocol import Token

BROKEN = "\ufffd"
"""What stands in a text for bytes that are no whole character."""


def name_of(token: Token) -> str:
    """Return a token's text with its spaces and line ends visible; its bytes where it is only a piece of a character."""
    piece = token.bytes and BROKEN in token.text
    return quoted("" if piece else token.text, token.bytes)
