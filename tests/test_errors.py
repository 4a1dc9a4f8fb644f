"""The exception tree: what travels as a code comes back as the same class."""

from __future__ import annotations

import json
import re

import pytest

from gpt_notebook import errors
from gpt_notebook.errors import BY_CODE, GptNotebookError, JobInUse, ModelNotFound, ModelUnreachable, from_json
from gpt_notebook.next_action import NextAction


@pytest.mark.parametrize("cls", BY_CODE.values())
def test_an_error_survives_the_way_to_the_notebook(cls):
    back = from_json(cls("there is no model gtp2", param="model").to_json())
    assert type(back) is cls
    assert (back.message, back.param, back.next_action) == ("there is no model gtp2", "model", None)


@pytest.mark.parametrize("action", [NextAction("list"), NextAction("stop", "pip")])
def test_what_can_be_done_next_survives_it_too(action):
    error = JobInUse("pip is running: stop it first", next_action=action)
    back = from_json(json.loads(json.dumps(error.to_json())))
    assert (back.message, back.next_action) == ("pip is running: stop it first", action)


@pytest.mark.parametrize("sent", [None, "stop", {"verb": "of_a_later_version"}, {"job": "pip"}])
def test_what_nobody_knows_how_to_do_is_left_out(sent):
    assert str(from_json({"code": "job_in_use", "message": "stop it first", "next_action": sent})) == "stop it first"


def test_every_class_has_a_code_of_its_own():
    classes = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, GptNotebookError)}
    assert set(BY_CODE.values()) == classes


def test_the_drawn_tree_is_the_tree():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__)) - {
        "Interrupted",
        "GenerationInterrupted",
        "MapInterrupted",
        "WaitInterrupted",
    }
    assert drawn == {each.__name__ for each in BY_CODE.values()} - {"GptNotebookError"}


@pytest.mark.parametrize("error", [{}, {"code": "of_a_later_version", "message": None}])
def test_a_code_that_nobody_knows_is_an_error_all_the_same(error):
    assert type(from_json(error)) is GptNotebookError
    assert str(from_json(error)) == "the model kernel gave no reason"


def test_a_hub_out_of_reach_is_nothing_that_the_openai_sdk_tries_again():
    assert 400 <= ModelUnreachable.status < 500
    assert ModelUnreachable.status not in (408, 409, 429)


def test_a_notebook_shows_one_line():
    assert ModelNotFound("there is no model gtp2")._render_traceback_() == ["ModelNotFound: there is no model gtp2"]


def test_a_notebook_spells_what_can_be_done_next_as_a_call():
    error = JobInUse("pip is running: stop it first", next_action=NextAction("stop", "pip"))
    assert error._render_traceback_() == ["JobInUse: pip is running: stop it first (job.stop())"]
    assert error.spelled(lambda action: f"{action.verb} {action.job}") == "pip is running: stop it first (stop pip)"


def test_what_a_message_quotes_can_not_command_a_terminal_or_fill_the_screen():
    error = from_json({"code": "model_error", "message": "refused:\x1b]52;c;x\x07\nand more"})
    assert str(error) == "refused:␛]52;c;x␇ and more"
