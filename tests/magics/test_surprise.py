"""`%%gpt --surprise`: the model reads the cell's text, and the cell shows what it thought of each token."""

from __future__ import annotations

import pytest

from gpt_notebook.errors import InvalidRequest, ModelNotFound
from gpt_notebook.likelihood import Perplexity
from gpt_notebook.protocol import GenerateRequest, ScoreRequest


def test_a_text_is_read_and_nothing_is_generated(shell, engine):
    value = shell.run("%%gpt --surprise\nThe fox was very green.\n")
    assert isinstance(value, Perplexity)
    assert "".join(token.text for token in value.tokens) == "The fox was very green."
    (asked,) = engine.asked
    assert isinstance(asked, ScoreRequest)
    assert not isinstance(asked, GenerateRequest)


def test_it_is_shown_once_with_its_tokens_and_the_perplexity(shell, engine):
    value = shell.run("%%gpt --surprise\nThe fox was very green.")
    (output,) = shell.outputs()
    html = output.data["text/html"]
    assert html.count("<span title=") == len(value.tokens)
    assert f"storyteller · {len(value.tokens)} tokens · perplexity {float(value):.4g} · " in html
    assert output.data["text/plain"] == repr(value)
    assert shell.user_ns["_"] is value


def test_variables_are_filled_in_and_the_value_is_put_where_it_is_wanted(shell, engine):
    shell.user_ns["animal"] = "owl"
    value = shell.run("%%gpt --surprise --into found -m other\nThe {animal} and the {fox}")
    assert shell.user_ns["found"] is value
    assert value.model == "other"
    assert "".join(token.text for token in value.tokens) == "The owl and the {fox}"
    assert "{fox} is no variable" in shell.outputs()[0].data["text/html"]


def test_a_text_of_markup_is_shown_as_it_is(shell, engine):
    shell.run("%%gpt --surprise\n<img src=x onerror=alert(1)>")
    assert "<img" not in shell.outputs()[0].data["text/html"]


def test_what_the_model_kernel_has_to_say_is_said(shell, engine):
    with pytest.raises(ModelNotFound):
        shell.run("%%gpt --surprise -m nobody\nOnce")
    assert all(not each.data.get("text/plain") for each in shell.outputs())


@pytest.mark.parametrize(
    ("line", "flag"),
    [("-n 2", "-n"), ("--max 3", "--max"), ("--chat a", "--chat"), ("--tokens", "--tokens"), ("--seed 0", "--seed")],
)
def test_options_of_what_is_generated_are_refused(shell, engine, line, flag):
    with pytest.raises(InvalidRequest, match=f"--surprise reads the text.*so {flag} has no meaning with it"):
        shell.run(f"%%gpt --surprise {line}\nOnce")
    assert engine.asked == []
