"""Functions of users on each row: their values, and the rows on which they fail."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gpt_notebook.errors import ContextLengthExceeded, InvalidRequest
from gpt_notebook.evaluation import metrics as metric_functions


def exact(completion, expected):
    return completion == expected


def test_a_function_goes_by_its_name_and_a_nameless_one_by_metric():
    assert list(metric_functions.functions(exact)) == ["exact"]
    assert list(metric_functions.functions(lambda a, b: 0)) == ["metric"]
    assert list(metric_functions.functions({"a": exact, "b": exact})) == ["a", "b"]
    assert metric_functions.functions(None) == {}


@pytest.mark.parametrize("metric", [3, "accuracy", {"a": 3}, {3: exact}])
def test_what_is_no_function_is_refused(metric):
    with pytest.raises(InvalidRequest, match=r"metric is a function \(completion, expected\) -> float"):
        metric_functions.functions(metric)


def test_each_row_has_a_value_and_all_have_a_mean():
    found = metric_functions.values({"exact": exact}, ["a", "b", "c", "d"], ["a", "b", "x", "y"])
    assert found.by_name == {"exact": (1.0, 1.0, 0.0, 0.0)}
    assert (found.means, found.failures) == ({"exact": 0.5}, {})


def test_a_function_may_give_several_numbers():
    def lengths(completion, expected):
        return {"said": len(completion), "wanted": np.float32(len(expected))}

    assert metric_functions.values({"lengths": lengths}, ["ab"], ["abc"]).means == {"said": 2.0, "wanted": 3.0}
    both = metric_functions.values({"lengths": lengths, "exact": exact}, ["ab"], ["abc"])
    assert both.means == {"lengths said": 2.0, "lengths wanted": 3.0, "exact": 0.0}


def test_rows_that_fail_are_named_and_the_others_count():
    def picky(completion, expected):
        return {"a": 1.0, "b": None, "c": math.nan}[completion]

    said = ["a", ContextLengthExceeded("too long"), "b", "c", "d"]
    found = metric_functions.values({"picky": picky}, said, ["x"] * 5)
    assert found.by_name == {"picky": (1.0, None, None, None, None)}
    assert found.means == {"picky": 1.0}
    assert found.failures == {
        1: "too long",
        2: "picky: TypeError: gave None, which is no number",
        3: "picky: ValueError: gave NaN",
        4: "picky: KeyError: 'd'",
    }


def test_a_function_that_fails_on_all_rows_is_refused_with_the_first_reason():
    with pytest.raises(
        InvalidRequest, match=r"no row has a value: row 0 failed \(broken: ZeroDivisionError: division by zero\)"
    ):
        metric_functions.values({"broken": lambda *_: 1 / 0}, ["a", "b"], ["a", "b"])
