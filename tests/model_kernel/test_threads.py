"""Small operations of a step take one thread, products take all."""

import asyncio
import threading

import pytest
import torch

from gpt_notebook.model_kernel import packed, threads
from gpt_notebook.model_kernel.threads import many, sparing


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_only_what_asks_for_many_threads_has_them():
    with sparing():
        assert torch.get_num_threads() == 1
        with many():
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_elsewhere_nothing_changes():
    with many():
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 3


def test_a_block_that_fails_leaves_all_threads_behind():
    with pytest.raises(ZeroDivisionError), sparing(), many():
        _ = 1 / 0
    assert torch.get_num_threads() == 3
    with many():
        assert torch.get_num_threads() == 3


def test_a_block_inside_of_another_ends_with_the_outer_one():
    with sparing():
        with sparing():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_another_threads_operations_keep_theirs():
    found = []

    def ask():
        torch.set_num_threads(2)
        with many():
            found.append(torch.get_num_threads())

    with sparing():
        other = threading.Thread(target=ask)
        other.start()
        other.join()
    assert found == [2]


def test_an_operation_has_all_threads_if_it_takes_longer_than_to_wake_them(monkeypatch):
    monkeypatch.setattr(threads, "waking", lambda: 1e-4)
    with sparing():
        for size, operations, expected in ((1e6, 0, 1), (1e8, 0, 3), (0, 1e6, 1), (0, 1e9, 3)):
            with many(size, operations):
                assert torch.get_num_threads() == expected
            assert torch.get_num_threads() == 1


def test_what_waking_costs_is_measured_once_and_leaves_the_threads_as_they_were():
    threads.waking.cache_clear()
    with sparing():
        first = threads.waking()
        assert torch.get_num_threads() == 1
    assert 0 <= first < 1
    assert threads.waking() == first
    assert threads.waking.cache_info().misses == 1
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 8, 50])
def test_packed_products_are_the_same_bits_with_any_number_of_threads(dtype, rows):
    weight = torch.randn(384, 768, dtype=dtype)
    if not packed.can_pack(weight):
        return
    x, matrix = torch.randn(rows, 768, dtype=dtype), packed.pack(weight)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(packed.multiply(x, matrix, None))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_a_thread_takes_as_many_as_it_is_told():
    threads.use(2)
    assert torch.get_num_threads() == 2
    threads.use(3)
    assert torch.get_num_threads() == 3


def test_a_thread_of_its_own_is_gone_with_its_team():
    def work():
        return torch.get_num_threads(), threading.current_thread()

    count, thread = asyncio.run(threads.in_a_thread_of_its_own(2, work))
    assert count == 2
    thread.join(10)
    assert not thread.is_alive()
    assert torch.get_num_threads() == 3


def test_what_fails_in_a_thread_of_its_own_is_raised():
    with pytest.raises(ZeroDivisionError):
        asyncio.run(threads.in_a_thread_of_its_own(2, lambda: 1 / 0))
