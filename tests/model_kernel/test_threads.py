"""Small operations of a step take one thread, products take all."""

import threading

import pytest
import torch

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
        with many:
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_elsewhere_nothing_changes():
    with many:
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 3


def test_a_block_that_fails_leaves_all_threads_behind():
    with pytest.raises(ZeroDivisionError), sparing(), many:
        _ = 1 / 0
    assert torch.get_num_threads() == 3
    with many:
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
        with many:
            found.append(torch.get_num_threads())

    with sparing():
        other = threading.Thread(target=ask)
        other.start()
        other.join()
    assert found == [2]
