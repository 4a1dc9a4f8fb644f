"""The options of a fine-tuning: checked before anything is sent, with what was probably meant."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.fine_tuning.options import ELSEWHERE, Options, job_options, share
from gpt_notebook.job_protocol import JobOptions, LoraOptions


def test_every_option_of_the_protocol_can_be_given():
    ours = {each.name for each in dataclasses.fields(JobOptions)} - {"validation_share"}
    assert set(Options.__annotations__) == ours


def test_what_others_call_them_leads_to_options_that_there_are():
    known = {*Options.__annotations__, *(each.name for each in dataclasses.fields(LoraOptions)), "validation", "name"}
    assert set(ELSEWHERE.values()) <= known
    assert not set(ELSEWHERE) & known


def test_numbers_of_numpy_become_plain_ones():
    options = job_options({"max_steps": np.int64(3), "learning_rate": np.float32(0.5), "lora": {"rank": np.int8(4)}})
    assert (type(options.max_steps), type(options.learning_rate), type(options.lora.rank)) == (int, float, int)


def test_options_that_are_lists_become_tuples():
    options = job_options({"probes": "Once", "lora": {"targets": ["c_attn"]}})
    assert (options.probes, options.lora.targets) == (("Once",), ("c_attn",))
    assert job_options({"lora": {"targets": "all-linear"}}) == job_options({"lora": None, "probes": None})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"learning_rat": 1}, "unknown option learning_rat: did you mean learning_rate?"),
        ({"lr": 1}, "unknown option lr: did you mean learning_rate?"),
        ({"num_train_epochs": 1}, "did you mean epochs?"),
        ({"r": 4}, "unknown option r: did you mean lora={'rank': …}?"),
        ({"lora": {"r": 4}}, "unknown option of lora r: did you mean rank?"),
        ({"lora": {"ranks": 4}}, "did you mean rank?"),
        ({"lora": 8}, "lora is a dict such as {'rank': 16}, not 8"),
        ({"lora": {"rank": 0}}, "lora.rank must be at least 1"),
        ({"lora": {"rank": 8.5}}, "lora.rank must be a whole number, not 8.5"),
        ({"lora": {"rank": 8}, "method": "full"}, "options of LoRA belong to the method lora"),
        ({"method": "qlora"}, "method is one of lora, full, not 'qlora'; did you mean lora?"),
        ({"too_long": "trim"}, "too_long is one of split, cut, drop, refuse"),
        ({"dtype": "fp16"}, "dtype is one of"),
        ({"epochs": "3"}, "epochs must be a number, not '3'"),
        ({"epochs": 0}, "epochs must be above 0"),
        ({"max_steps": 2.5}, "max_steps must be a whole number, not 2.5"),
        ({"learning_rate": math.nan}, "learning_rate must be above 0"),
        ({"packing": 1}, "packing is True or False, not 1"),
        ({"gradient_checkpointing": None}, "gradient_checkpointing is True or False, not None"),
        ({"probes": [3]}, "probes must be a string or a list of strings, not 3"),
        ({"probes": ["x"] * 17}, "at most 16 probes, not 17"),
        ({"training_arguments": ["x"]}, "training_arguments is a dict"),
        ({"training_arguments": {"optim": object}}, "training_arguments: optim must be a number, a text"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(options, words):
    with pytest.raises(InvalidRequest) as caught:
        job_options(options)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("value", "found"), [(None, 0.0), (0.1, 0.1), (np.float32(0.5), 0.5), (["x"], None), ("a.csv", None)]
)
def test_validation_is_a_share_or_data(value, found):
    assert share(value) == found


@pytest.mark.parametrize("value", [1, 20, -0.1, math.nan, True, 0.95])
def test_a_share_that_is_none(value):
    with pytest.raises(InvalidRequest, match="validation"):
        share(value)
