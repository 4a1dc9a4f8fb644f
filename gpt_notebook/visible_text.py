"""Text made fit to show: short, and safe, as a model can say any character, also those that command a terminal.

Escape sequences, other control characters and the marks that reorder lines are replaced by pictures of themselves; line
ends and tabs stay, and so do the joiners that emoji and many scripts need.
"""

from __future__ import annotations

_FIRST_PICTURE = 0x2400
"""Unicode's picture of NUL; those of the other control characters follow in order."""

_PICTURES: dict[int, str] = (
    {code: chr(_FIRST_PICTURE + code) for code in range(0x20) if chr(code) not in "\n\t"}
    | {0x7F: "\u2421"}
    | {code: f"⟨U+{code:04X}⟩" for code in (*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)}
    | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
)

SHOWN_CHARACTERS = 30
"""How much of a text is enough to know it by."""


def visible(text: str) -> str:
    """Return the text with its control characters made visible."""
    return text if text.isascii() and text.isprintable() else text.translate(_PICTURES)


def shortened(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """Return the beginning of a text that is longer than so many characters, with a sign that it goes on."""
    return text if len(text) <= characters else text[: characters - 1] + "…"
