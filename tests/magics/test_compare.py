"""`%%gpt --compare`: several models go on from a cell's prompt, in columns."""

from __future__ import annotations

import pytest

from gpt_notebook.comparison import Comparison
from gpt_notebook.errors import InvalidRequest, ModelNotFound
from gpt_notebook.magics.compare import models_of
from gpt_notebook.magics.options import parse
from gpt_notebook.protocol import GenerateRequest


def test_the_columns_have_the_texts_and_how_likely_they_are_for_each(shell, engine):
    value = shell.run("%%gpt --compare storyteller other --max 4 --seed 3\nOnce upon a {time}")
    assert isinstance(value, Comparison)
    (output,) = shell.outputs()
    html = output.data["text/html"]
    assert html.index(">storyteller<") < html.index(">other<")
    assert "under other" in html
    assert "under storyteller" in html
    assert "nats likelier" in html
    assert "seed 3" in html
    assert "{time} is no variable" in html
    assert "<b>that" not in html
    assert output.data["text/plain"].startswith("[storyteller]\n")
    assert shell.user_ns["_"] is value


@pytest.mark.parametrize(
    ("line", "models"),
    [
        ("--compare a b", ["a", "b"]),
        ("--compare a", [None, "a"]),
        ("-m c --compare a b", ["c", "a", "b"]),
        ("--compare a b --max 3 -m c", ["c", "a", "b"]),
    ],
)
def test_one_alone_is_compared_with_the_model_of_the_cell(settings, line, models):
    assert models_of(parse(line)) == models


def test_options_are_those_of_all(shell, engine):
    shell.run("%%gpt --compare other --max 2 -t 0 --complete --into found\nOnce")
    requests = [each for each in engine.asked if isinstance(each, GenerateRequest)]
    assert {(each.model, each.options.max_new_tokens, each.options.temperature, each.chat) for each in requests} == {
        ("storyteller", 2, 0.0, False),
        ("other", 2, 0.0, False),
    }
    assert isinstance(shell.user_ns["found"], Comparison)


def test_one_that_fails_says_so_and_what_the_other_said_is_kept(shell, engine):
    with pytest.raises(ModelNotFound, match="nobody"):
        shell.run("%%gpt --compare nobody\nOnce")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--compare other -n 2", "and -n is about those of one"),
        ("--compare other --chat a", "and --chat is about those of one"),
        ("--compare other --attention", "and --attention is about those of one"),
        ("--compare other --format json", "and --format is about those of one"),
        ("--compare storyteller", "storyteller is there twice"),
        ("--compare", "--compare"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(shell, engine, line, message):
    with pytest.raises(InvalidRequest, match=message):
        shell.run(f"%%gpt {line}\nOnce")
    assert engine.asked == []
