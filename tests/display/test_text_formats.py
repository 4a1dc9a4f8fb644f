"""JSON in a completion: its value, or where it ends to be JSON."""

from __future__ import annotations

import pytest

from gpt_notebook.display.text_formats import parsed_json, pretty_json
from gpt_notebook.errors import NotJson


@pytest.mark.parametrize(
    "text", ['{"name": "Pip"}', 'Here it is:\n```json\n{"name": "Pip"}\n```\nand more', '\n\n {"name": "Pip"}\n']
)
def test_the_value_is_that_of_the_text_or_of_its_first_fenced_block(text):
    assert parsed_json(text) == {"name": "Pip"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": Pip}', "the text is no JSON: expecting value at line 1, column 10"),
        ('{\n"name"', "the text is no JSON: expecting ':' delimiter at line 2, column 7"),
        ("", "expecting value at line 1, column 1"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "too long"),
    ],
)
def test_what_is_none_says_where(text, message):
    with pytest.raises(NotJson) as refusal:
        parsed_json(text)
    assert message in refusal.value.message
    assert pretty_json(text) is None
