"""Who gives a seed and is alone gets the same tokens and logprobs, to the bit, whatever was before."""

from __future__ import annotations

import pytest

from gpt_notebook.model_kernel.batching import slots
from model_kernel.batching.company import text
from model_kernel.batching.conftest import PIECE

FAMILIES = ["gpt2", "llama", "mistral", "gemma2", "gpt_oss"]
IDS = text(2 * PIECE + 7)
SEEDED = {"seed": 3, "max_new_tokens": 15, "logprobs": 4}


@pytest.fixture
def small_slots(monkeypatch):
    """Slots whose length matters in short texts."""
    monkeypatch.setattr(slots, "LEAST_CAPACITY", 4)


def nothing(_):
    """The first time."""


def itself(met):
    met.answer(IDS, **SEEDED)


def the_text_without_a_seed(met):
    made = met.answer(IDS, max_new_tokens=15)
    met.answer([*IDS, *made.ids[:5], 9], max_new_tokens=2)


def its_beginning(met):
    met.answer(IDS[: PIECE + 3], max_new_tokens=2)
    met.answer(IDS[: PIECE + 9], max_new_tokens=2)


def its_beginning_with_a_seed(met):
    met.answer([*IDS[:PIECE], *text(30, 5)], **SEEDED)


def something_that_goes_on_from_it(met):
    made = met.answer(IDS, **SEEDED)
    met.answer([*IDS, *made.ids, *text(4, 4)], max_new_tokens=3)


def many_others(met):
    for length in (3, 30, 50, 9, 17):
        met.ask(text(length, length), max_new_tokens=20 - length // 5)
    met.finish()


def one_that_needed_long_slots(met):
    heard = met.ask(text(5), max_new_tokens=400)
    met.step(3)
    heard.generation.cancelled = True
    met.finish()
    assert met.slots.capacity == 512


def others_with_the_same_text(met):
    for seed in range(4):
        met.ask(IDS, seed=seed, max_new_tokens=9)
        met.ask([*IDS[: PIECE + seed], *text(9, seed)], max_new_tokens=9)
    met.finish()


def a_cancelled_one(met):
    heard = met.ask(IDS, max_new_tokens=20)
    met.step(6)
    heard.generation.cancelled = True
    met.finish()


BEFORE = [
    nothing,
    itself,
    the_text_without_a_seed,
    its_beginning,
    its_beginning_with_a_seed,
    something_that_goes_on_from_it,
    many_others,
    one_that_needed_long_slots,
    others_with_the_same_text,
    a_cancelled_one,
]


@pytest.mark.usefixtures("small_slots")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_gives_the_same_to_the_bit(family, company):
    long = {"n_positions" if family == "gpt2" else "max_position_embeddings": 512}
    expected = company(family, of=long).answer(IDS, **SEEDED).tokens
    for before in BEFORE:
        met = company(family, of=long)
        before(met)
        assert met.answer(IDS, **SEEDED).tokens == expected, before.__name__


def test_without_a_seed_bits_may_differ_or_this_would_show_nothing(company):
    """Another order of sums does show in the logprobs of these models."""
    made = [company().answer(IDS, max_new_tokens=15).numbers]
    met = company()
    its_beginning(met)
    the_text_without_a_seed(met)
    made.append(met.answer(IDS, max_new_tokens=15).numbers)
    assert [token for token, _ in made[0]] == [token for token, _ in made[1]]
    assert made[0] != made[1]


def test_with_a_seed_only_whole_pieces_are_reused(company, seen):
    met = company()
    itself(met)
    seen.clear()
    itself(met)
    assert seen.read == [(7,)]


def test_with_a_seed_nothing_is_reused_that_was_read_in_other_pieces(company, seen):
    met = company()
    met.answer(IDS[: PIECE + 5], max_new_tokens=1)
    met.answer(IDS, max_new_tokens=1)
    seen.clear()
    itself(met)
    assert seen.read == [(PIECE,), (7,)]


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0}])
def test_without_a_seed_everything_is_reused(options, company, seen):
    met = company()
    itself(met)
    seen.clear()
    met.answer(IDS, max_new_tokens=1, **options)
    assert seen.read == [(1,)]


def test_all_samples_come_again_too(company):
    first = company().answer(IDS, **SEEDED, n=3)
    met = company()
    many_others(met)
    itself(met)
    again = met.answer(IDS, **SEEDED, n=3)
    assert again.tokens == first.tokens
    assert len({tuple(first.ids_of(index)) for index in range(3)}) == 3
