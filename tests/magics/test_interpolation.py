r"""`{name}` of an existing variable is filled in, and nothing else is touched."""

from __future__ import annotations

import pytest

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.magics.interpolation import interpolate


def test_an_existing_variable_is_filled_in():
    result = interpolate("A {animal} and a {animal} of {age}.", {"animal": "fox", "age": 3})
    assert result.text == "A fox and a fox of 3."
    assert result.undefined == ()


def test_what_is_filled_in_is_not_looked_at_again():
    assert interpolate("{a}", {"a": "{b}", "b": "secret"}).text == "{b}"


def test_a_name_that_is_not_defined_stays_and_is_named_once():
    result = interpolate("{typo} and {typo} and {other}", {"animal": "fox"})
    assert result.text == "{typo} and {typo} and {other}"
    assert result.undefined == ("typo", "other")


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{0}",
        "{ name }",
        "{name.secret}",
        "{name[0]}",
        "{name!r}",
        "{name:>100000000}",
        '{"name": 1}',
        "{{name}}",
        "{{{name}}}",
        r"\frac{name}{name}",
        r"\frac{\sqrt{name}}{name}",
        r"\sqrt[name]{name}",
        r"\text{name}",
        r"\begin{name}",
        "x_{n} + e^{n}",
        "function() {return}",
        "a { b",
        "",
    ],
)
def test_everything_else_stays_as_typed_without_a_warning(text):
    result = interpolate(text, {"name": "FILLED", "n": "FILLED"})
    assert result.text == text
    assert result.undefined == ()


def test_a_variable_inside_json_is_filled_in():
    assert interpolate('{"a": {name}, "b": {"c": {name}}}', {"name": 7}).text == '{"a": 7, "b": {"c": 7}}'


def test_a_variable_after_latex_is_filled_in():
    assert interpolate(r"\alpha is {name}, \text{name}", {"name": "A"}).text == r"\alpha is A, \text{name}"


def test_an_unclosed_latex_argument_hides_nothing():
    assert interpolate(r"\frac{a and {name}", {"name": "A"}).text == r"\frac{a and A"


def test_longer_names_after_an_underscore_are_variables():
    assert interpolate("file_{name}.txt", {"name": "A"}).text == "file_A.txt"


def test_names_may_have_any_letters():
    assert interpolate("{größe} {名前}", {"größe": 1, "名前": 2}).text == "1 2"


def test_a_value_without_text_is_refused_by_name():
    class Broken:
        def __str__(self):
            raise ValueError

    with pytest.raises(InvalidRequest, match=r"\{thing\} cannot be filled in: ValueError"):
        interpolate("{thing}", {"thing": Broken()})


@pytest.mark.timeout(60)
@pytest.mark.parametrize("repeated", ["\\a{", "\\a[ ", "{", "{{", "\\left[0,1\\right) "])
def test_a_long_text_of_braces_comes_to_an_end(repeated):
    # Looked at once it takes a second; if each brace looked at all others, it would take an hour.
    assert interpolate(repeated * 200_000 + " {name}", {"name": "Pip"}).text.endswith(" Pip")


def test_a_bracket_after_left_and_right_is_no_argument():
    assert interpolate(r"\left[0,1\right) {name} (0,1\right]", {"name": "x"}).text == r"\left[0,1\right) x (0,1\right]"
