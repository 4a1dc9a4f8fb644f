"""Of very many rows an even sample is looked at, the same each time."""

import itertools
import json

import pytest

from gpt_notebook.cancellation import Cancellation
from gpt_notebook.data import sample as module
from gpt_notebook.data.dataset import Dataset
from gpt_notebook.data.sample import sample
from gpt_notebook.errors import InvalidRequest, RequestCancelled


def numbers(found):
    return [int(json.loads(line)["text"]) for line in found.lines]


def rows(count):
    return Dataset([str(number) for number in range(count)])


def test_a_few_rows_are_taken_whole():
    found = sample(rows(10), most=10)
    assert numbers(found) == list(range(10))
    assert (found.rows, found.sampled) == (10, None)


@pytest.mark.parametrize("count", [11, 100, 1000, 1024])
def test_of_many_rows_some_are_taken_from_everywhere(count):
    found = sample(rows(count), most=10)
    assert found.rows == count
    assert 5 <= found.sampled <= 10
    taken = numbers(found)
    (stride,) = {after - before for before, after in itertools.pairwise(taken)}
    assert taken == list(range(0, count, stride))


def test_long_rows_are_fewer(monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    assert 1 <= sample(rows(1000)).sampled <= 6


def test_a_bad_row_is_named_wherever_it_is():
    with pytest.raises(InvalidRequest, match="row 999"):
        sample(Dataset([*map(str, range(999)), ""]), most=10)


def test_it_ends_when_nobody_waits(monkeypatch):
    monkeypatch.setattr(module, "LOOK_ROWS", 1)
    cancellation = Cancellation()
    cancellation.cancel()
    with cancellation.covering(), pytest.raises(RequestCancelled):
        sample(rows(10))
