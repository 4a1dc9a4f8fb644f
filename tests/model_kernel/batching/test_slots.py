"""Slots grow, shrink and are moved, and each row keeps its numbers and nobody else's."""

from __future__ import annotations

import pytest
import torch

from gpt_notebook.model_kernel.batching import slots as slots_module
from gpt_notebook.model_kernel.batching.attending import Stepping
from gpt_notebook.model_kernel.batching.cache import CacheShape, SequenceCache
from gpt_notebook.model_kernel.batching.slots import Slots
from model_kernel.batching.company import chances, text

SHAPE = CacheShape(((2, 3, 5), (1, 4, 4)), torch.float32, torch.device("cpu"))
"""Two layers that differ in everything."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Slots that begin with room for four tokens, and are given back when nobody runs."""
    monkeypatch.setattr(slots_module, "LEAST_CAPACITY", 4)
    monkeypatch.setattr(slots_module, "KEPT", 0)


def filled(length, value=None):
    cache = SequenceCache(SHAPE, length)
    for tensor in (*cache.keys, *cache.values):
        if value is None:
            tensor.normal_()
        else:
            tensor.fill_(value)
    cache.token_ids = list(range(length))
    return cache


def tables(slots):
    return (*slots.keys, *slots.values)


def of_row(slots, slot):
    """What a row has, by table."""
    return [table[slot, :, : slots.lengths[slot]].clone() for table in tables(slots)]


def one_more(slots):
    """Let every row have another token, and return what each has got, by table."""
    stepping, count = Stepping(slots, [None] * len(slots)), len(slots)
    got = [[] for _ in range(count)]
    for layer, (heads, key, value) in enumerate(SHAPE.layers):
        keys, values = torch.randn(1, heads, count, key), torch.randn(1, heads, count, value)
        stepping.keep(layer, keys, values)
        for row in range(count):
            got[row].append((keys[0, :, row], values[0, :, row]))
    stepping.done()
    return [[*(key for key, _ in row), *(value for _, value in row)] for row in got]


def longer(rows, tokens):
    """Rows with a token more."""
    return [
        [torch.cat([old, new[:, None]], 1) for old, new in zip(row, token, strict=True)]
        for row, token in zip(rows, tokens, strict=True)
    ]


def check(slots, expected):
    assert len(slots) == len(expected)
    for slot, tensors in enumerate(expected):
        for table, (found, wanted) in enumerate(zip(of_row(slots, slot), tensors, strict=True)):
            assert torch.equal(found, wanted), (slot, table)
    for table in tables(slots):
        for slot in range(table.shape[0]):
            used = slots.lengths[slot] if slot < len(slots) else 0
            assert not table[slot, :, used:].any(), "something is left of an earlier row"
    assert slots.bytes == sum(table.nbytes for table in tables(slots))


@pytest.mark.parametrize("seed", range(6))
def test_rows_keep_their_numbers_whoever_comes_and_leaves(seed):
    chance, expected, slots = chances(seed), [], Slots(SHAPE, 0)
    sizes = set()
    for _ in range(200):
        if len(slots) < 5 and chance.random() < (0.5 if len(slots) else 1):
            cache = filled(chance.choice((1, 2, 5, 20)))
            most = len(cache) + chance.choice((1, 2, 9, 30))
            promised = slots.bytes_with(most)
            slots.add(cache, most)
            assert slots.bytes == promised
            expected.append([tensor.clone() for tensor in (*cache.keys, *cache.values)])
        elif chance.random() < 0.5 or any(
            length >= most for length, most in zip(slots.lengths, slots.reserved, strict=True)
        ):
            slot = chance.randrange(len(slots))
            slots.remove(slot)
            expected[slot] = expected[-1]
            expected.pop()
        else:
            expected = longer(expected, one_more(slots))
        check(slots, expected)
        sizes.add((slots.keys[0].shape[0], slots.capacity) if slots.keys else (0, 0))
    assert len({count for count, _ in sizes}) >= 3
    assert len({capacity for _, capacity in sizes}) >= 3


def test_length_and_count_grow_by_doubling_and_never_beyond_the_context():
    slots = Slots(SHAPE, 24)
    shapes = []
    for length in (3, 5, 17, 24, 2):
        slots.add(filled(1), length)
        shapes.append(tuple(slots.keys[0].shape[:3:2]))
    assert shapes == [(1, 4), (2, 8), (4, 24), (4, 24), (8, 24)]


def test_room_that_long_rows_needed_goes_back_once_the_shape_changes_anyway():
    slots = Slots(SHAPE, 0)
    slots.add(filled(3), 100)
    slots.add(filled(2), 6)
    kept = of_row(slots, 1)
    slots.remove(0)
    slots.add(filled(1), 6)
    assert slots.capacity == 128
    slots.add(filled(1), 6)
    assert slots.capacity == 8
    assert all(map(torch.equal, of_row(slots, 0), kept))


def test_slots_are_given_back_when_nobody_runs():
    slots = Slots(SHAPE, 0)
    for _ in range(3):
        slots.add(filled(3), 10)
    for _ in range(3):
        assert slots.bytes
        slots.remove(0)
    assert slots.bytes == 0
    assert not slots.keys


def test_a_few_are_kept_for_the_next_request(monkeypatch):
    monkeypatch.setattr(slots_module, "KEPT", 10**6)
    slots = Slots(SHAPE, 0)
    slots.add(filled(3), 10)
    there = slots.keys[0].data_ptr()
    slots.remove(0)
    slots.add(filled(2), 10)
    assert slots.keys[0].data_ptr() == there
    check(slots, [of_row(slots, 0)])


@pytest.mark.parametrize("leaving", [0, 1, 2])
def test_nothing_of_a_row_without_numbers_is_left_when_it_leaves(leaving):
    slots = Slots(SHAPE, 0)
    for slot in range(3):
        slots.add(filled(20, torch.nan) if slot == leaving else filled(5), 30)
    slots.remove(leaving)
    check(slots, [of_row(slots, slot) for slot in range(2)])
    assert not any(table.isnan().any() for table in tables(slots))


def test_nothing_is_left_of_a_token_whose_pass_failed():
    slots = Slots(SHAPE, 0)
    slots.add(filled(5), 10)
    slots.add(filled(5), 10)
    stepping = Stepping(slots, [None, None])
    stepping.keep(0, torch.full((1, 2, 2, 3), torch.nan), torch.full((1, 2, 2, 5), torch.nan))
    slots.remove(1)
    slots.add(filled(2), 10)
    assert not slots.keys[0][1, :, 2:].any()
    slots.remove(0)
    check(slots, [of_row(slots, 0)])


def test_rows_keep_their_numbers_when_there_is_no_memory_to_grow(monkeypatch):
    slots = Slots(SHAPE, 0)
    slots.add(filled(3), 4)
    slots.add(filled(2), 4)
    before = [of_row(slots, slot) for slot in range(2)]
    calls = iter(range(100))
    real = torch.Tensor.new_zeros

    def new_zeros(self, *shape, **options):
        if next(calls) == 2:
            raise torch.OutOfMemoryError
        return real(self, *shape, **options)

    with monkeypatch.context() as patched:
        patched.setattr(torch.Tensor, "new_zeros", new_zeros)
        with pytest.raises(torch.OutOfMemoryError):
            slots.add(filled(9), 40)
    assert slots.bytes == sum(table.nbytes for table in tables(slots))
    expected = longer(before, one_more(slots))
    check(slots, expected)
    slots.add(filled(9), 40)
    check(slots, [*expected, of_row(slots, 2)])


def test_a_row_without_numbers_does_not_reach_those_beside_it_and_after_it(company):
    prompts = [text(length, length) for length in (30, 12, 18, 25)]
    expected = [company().answer(prompt, max_new_tokens=12).ids for prompt in prompts]
    met = company()
    heard = [met.ask(prompt, max_new_tokens=12) for prompt in prompts[:3]]
    while met.rows < 3:
        met.step()
    (slot,) = [slot for slot, row in enumerate(met.way._running._rows) if row.generation is heard[0].generation]
    for table in tables(met.slots):
        table[slot, :, : met.slots.lengths[slot]] = torch.nan
    met.step()
    heard[0].generation.cancelled = True
    heard.append(met.ask(prompts[3], max_new_tokens=12))
    met.finish()
    assert [each.ids for each in heard[1:]] == expected[1:]
    assert not any(table.isnan().any() for table in tables(met.slots))
