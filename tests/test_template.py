from __future__ import annotations

import pytest

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.template import Template

COLUMNS = ("text", "title", "First name")
ROW = {"text": "a {title}", "title": "T", "First name": "Ada"}


def filled(template):
    return Template.of(template, COLUMNS).fill(ROW.__getitem__)


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("Summarise: {text}", "Summarise: a {title}"),  # what is filled in is not looked at again
        ("{title}: {title}", "T: T"),
        ("Dear {First name}, {title}", "Dear Ada, T"),
        ("{{title}} is {title}", "{title} is T"),
        ("{{First name}} {title}", "{First name} T"),
        ('{"title": 1, "a": {"b": 2}} {title}', '{"title": 1, "a": {"b": 2}} T'),
        (r"\frac{text}{title} {title}", r"\frac{text}{title} T"),
        ("x_{i} {} { title } {1} {title}", "x_{i} {} { title } {1} T"),
        ("{if} {title}", "{if} T"),
    ],
)
def test_columns_are_filled_in_and_all_else_stays_as_typed(template, prompt):
    assert filled(template) == prompt


def test_it_asks_for_the_columns_that_it_names_once():
    assert Template.of("{title} {text} {title} {First name}", COLUMNS).columns == ("title", "text", "First name")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{txet}", "unknown column txet: braces that are meant as such are doubled, {{txet}}. Did you mean text?"),
        (
            "{price} {text}",
            "unknown column price: braces that are meant as such are doubled, {{price}}. There are text, title, First name",
        ),
        (
            "Summarise",
            "the template has no {column} of the table, so that every row would get the same prompt: name one of text, title, First name",
        ),
        (
            "{{text}}",
            "the template has no {column} of the table, so that every row would get the same prompt: name one of text, title, First name",
        ),
    ],
)
def test_what_would_spoil_every_row_is_refused(template, message):
    with pytest.raises(InvalidRequest) as refusal:
        Template.of(template, COLUMNS)
    assert refusal.value.message == message


def test_a_table_without_a_column_that_can_be_named_is_refused():
    with pytest.raises(InvalidRequest, match=r"^the table has no column .*: columns need text names, so rename them$"):
        Template.of("{text}", ())
