"""The tokens that spell a text: whole ones, wherever they do."""

from __future__ import annotations

import pytest
from attention_stubs import tokens_of

from gpt_notebook.attention_maps.spelling import spelling
from gpt_notebook.protocol import Token


@pytest.mark.parametrize(
    ("text", "texts", "positions"),
    [
        ("Pip", ("Pip", " saw", " Pip", "."), (0, 2)),  # the space before it is no part of it
        (" Pip", ("Pip", " saw"), (0,)),
        ("Pippa", (" Pip", "pa", " ran"), (0, 1)),  # across tokens
        ("Pip ran", ("Pip", " ran", " Pip", " ran"), (0, 1, 2, 3)),
        ("Pip", (" Pip", "pa"), (0,)),  # a token of its own, whatever comes after
        ("Pip", ("Pippa",), ()),  # half a token is none
        ("pa", (" Pip", "pa"), (1,)),
        ("Pip", (" ", "P", "i", "p"), (1, 2, 3)),  # a space that is a token is none of its tokens
        ("\n", ("a", "\n", " b", "\n"), (1, 3)),
        ("<s>", ("<s>", "a"), (0,)),
        ("aa", ("a", "a", "a"), (0, 1)),  # occurrences don't overlap
        ("he", ("He",), ()),
    ],
)
def test_the_tokens_that_spell_a_text(text, texts, positions):
    assert spelling(text, tokens_of(*texts)) == positions


def test_the_pieces_of_a_character_belong_to_it():
    pieces = (
        Token(id=0, text="", bytes=(0xF0, 0x9F)),
        Token(id=1, text="🦊", bytes=(0xA6, 0x8A)),
        Token(id=2, text="!"),
    )
    assert spelling("🦊", pieces) == (0, 1)
