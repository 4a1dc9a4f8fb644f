"""Settings: each from its variable, and one line for what can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.settings import Settings


def test_without_variables_there_are_defaults():
    assert Settings.from_environment({}) == Settings()


def test_each_kind_of_value_is_read():
    settings = Settings.from_environment(
        {
            "GPT_NOTEBOOK_URL": "http://gpu:8642",
            "GPT_NOTEBOOK_IDLE_TIMEOUT": "0.5",
            "GPT_NOTEBOOK_MEMORY_BUDGET": "1000000",
            "GPT_NOTEBOOK_HOME": "~/models",
            "GPT_NOTEBOOK_UNHEARD_OF": "1",
        }
    )
    assert settings == Settings(
        url="http://gpu:8642", idle_timeout=0.5, memory_budget=1_000_000, home=Path.home() / "models"
    )


def test_an_empty_variable_counts_as_unset():
    assert Settings.from_environment({"GPT_NOTEBOOK_URL": "", "GPT_NOTEBOOK_THREADS": ""}) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("GPT_NOTEBOOK_THREADS", "two", "GPT_NOTEBOOK_THREADS='two' is not a number: unset it or give one"),
        ("GPT_NOTEBOOK_THREADS", "1.5", "GPT_NOTEBOOK_THREADS='1.5' is not a number: unset it or give one"),
        ("GPT_NOTEBOOK_IDLE_TIMEOUT", "-1", "GPT_NOTEBOOK_IDLE_TIMEOUT must be finite and at least 0, not -1"),
        ("GPT_NOTEBOOK_IDLE_TIMEOUT", "nan", "GPT_NOTEBOOK_IDLE_TIMEOUT must be finite and at least 0, not nan"),
        ("GPT_NOTEBOOK_IDLE_TIMEOUT", "inf", "GPT_NOTEBOOK_IDLE_TIMEOUT must be finite and at least 0, not inf"),
        ("GPT_NOTEBOOK_IDLE_TIMEOUT", "1e400", "GPT_NOTEBOOK_IDLE_TIMEOUT must be finite and at least 0, not 1e400"),
        (
            "GPT_NOTEBOOK_HOME",
            "~nouser/x",
            "GPT_NOTEBOOK_HOME='~nouser/x' begins with the home of a user that this machine does not know: write the path out",
        ),
    ],
)
def test_what_is_no_value_is_refused_by_name(variable, text, message):
    with pytest.raises(InvalidRequest) as refusal:
        Settings.from_environment({variable: text})
    assert refusal.value.message == message


def test_the_token_is_not_shown():
    assert "s3cret" not in repr(Settings(token="s3cret"))


@pytest.mark.parametrize("token", ["tökén", "two\nlines", "two words", "s3cret\n"])
def test_a_token_that_no_request_could_carry_is_refused_without_showing_it(token):
    with pytest.raises(InvalidRequest, match="GPT_NOTEBOOK_TOKEN") as refusal:
        Settings(token=token)
    assert token not in refusal.value.message
    assert "\n" not in refusal.value.message
