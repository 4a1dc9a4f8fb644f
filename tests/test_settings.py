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
        ("GPT_NOTEBOOK_IDLE_TIMEOUT", "-1", "GPT_NOTEBOOK_IDLE_TIMEOUT must be at least 0, not -1"),
        ("GPT_NOTEBOOK_IDLE_TIMEOUT", "nan", "GPT_NOTEBOOK_IDLE_TIMEOUT must be at least 0, not nan"),
    ],
)
def test_what_is_no_value_is_refused_by_name(variable, text, message):
    with pytest.raises(InvalidRequest) as refusal:
        Settings.from_environment({variable: text})
    assert refusal.value.message == message


def test_the_token_is_not_shown():
    assert "s3cret" not in repr(Settings(token="s3cret"))
