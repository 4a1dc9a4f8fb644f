"""Recorded attentions share a budget: who has not been asked for the longest leaves first."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gpt_notebook.errors import AttentionNotFound
from gpt_notebook.model_kernel.attention.arrays import Tensor
from gpt_notebook.model_kernel.attention.captures import Captures
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.served import Served
from model_kernel.attention.computing import array_of, capture_of, random_ids, whole_maps


@dataclass
class Sized:
    """As much of a capture as matters here."""

    id: str
    bytes: int
    brief: bool = False
    model: str = "gpt2"

    def forget_extras(self):
        """It has none."""


@pytest.fixture
def captures():
    kept = Captures(100)
    for name in "abc":
        kept.keep(Sized(name, 30))
    return kept


def names(captures):
    return [name for name in "abcd" if captures.find(name) is not None]


def test_the_one_not_asked_for_the_longest_leaves_first(captures):
    captures.get("a")
    captures.keep(Sized("d", 30))
    assert captures.bytes == 90
    assert names(captures) == ["a", "c", "d"]


def test_as_many_leave_as_are_in_the_way(captures):
    captures.keep(Sized("d", 60))
    assert captures.bytes == 90
    assert names(captures) == ["c", "d"]


def test_what_fits_exactly_sends_nobody_away(captures):
    captures.keep(Sized("d", 10))
    assert captures.bytes == 100
    assert names(captures) == ["a", "b", "c", "d"]


def test_the_newest_stays_even_if_it_is_too_large(captures):
    captures.keep(Sized("d", 1000))
    assert names(captures) == ["d"]


def test_one_that_has_grown_is_counted_again_and_others_leave(captures):
    grown = captures.get("b")
    grown.bytes = 60
    captures.keep(grown)
    assert captures.bytes == 90
    assert names(captures) == ["b", "c"]


def test_a_brief_one_leaves_before_those_that_were_there(captures):
    captures.keep(Sized("d", 10, brief=True))
    captures.get("d")
    captures.keep(Sized("e", 10))
    assert names(captures) == ["a", "b", "c"]


def test_one_that_has_left_does_not_come_back_by_being_counted(captures):
    (gone,) = [captures.get("a")]
    captures.keep(Sized("d", 100))
    captures.recount(gone)
    assert names(captures) == ["d"]


def test_the_captures_of_a_model_leave_with_it(captures):
    captures.keep(Sized("d", 10, model="llama"))
    captures.forget("gpt2")
    assert names(captures) == ["d"]


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo"])
def test_one_that_has_grown_too_large_keeps_only_what_was_recorded(family, loaded):
    model = loaded(family)
    capture = capture_of(model, random_ids(12))
    recorded = capture.bytes
    source = MapSource(capture, Served(model))
    array_of(Tensor(capture, model, ("decoder", 0), "value", 0))
    before = whole_maps(source)
    captures = Captures(recorded + 1)
    captures.keep(capture)
    assert captures.bytes == recorded
    assert all((maps == before[layer]).all() for layer, maps in whole_maps(source).items())


def test_one_that_has_left_is_not_found(captures):
    captures.keep(Sized("d", 100))
    assert captures.find("a") is None
    with pytest.raises(AttentionNotFound, match=r"attention 'a' is not kept any more: make it again"):
        captures.get("a")


def test_closing_lets_all_go(captures):
    captures.close()
    assert captures.bytes == 0
    assert names(captures) == []


def test_tensors_that_somebody_asked_for_are_counted(loaded):
    model = loaded("gpt2")
    capture = capture_of(model, random_ids(12))
    captures = Captures(10**9)
    captures.keep(capture)
    before = captures.bytes
    array_of(Tensor(capture, model, ("decoder", 0), "value", 0))
    captures.keep(capture)
    assert captures.bytes - before == 2 * 4 * 8 * 12 * 4


def test_weights_of_a_family_that_cannot_be_recorded_are_counted(loaded):
    model = loaded("gpt_neo")
    capture = capture_of(model, random_ids(12))
    ids = capture.bytes
    assert 0 < ids < 1000
    whole_maps(MapSource(capture, Served(model)))
    assert capture.bytes == ids + 2 * 4 * 12 * 12 * 4
