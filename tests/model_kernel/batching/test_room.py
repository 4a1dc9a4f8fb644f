"""The budget of the caches holds; who needs more than there is waits for it, or is told that it will never be."""

from __future__ import annotations

import re

import pytest

from gpt_notebook.errors import OutOfMemory
from gpt_notebook.model_kernel.batching import slots
from gpt_notebook.model_kernel.batching.memory import CacheMemory
from model_kernel.batching.company import chances, text

LONG = {"max_position_embeddings": 1024}


@pytest.fixture(autouse=True)
def small_slots(monkeypatch):
    monkeypatch.setattr(slots, "LEAST_CAPACITY", 16)


@pytest.fixture
def with_room(company):
    """Makes a batch with a budget of so many tokens."""

    def make(tokens, *, memory=None):
        per_token = company(of=LONG).shape.bytes_per_token
        return company(of=LONG, memory=CacheMemory(tokens * per_token) if memory is None else memory)

    return make


def finish_within_budget(*met):
    """Take steps of all batches in turn until all have ended, and look at the memory after each."""
    memory = met[0].memory
    for _ in range(2_000):
        if not any(len(each.way) for each in met):
            return
        for each in met:
            each.way.step()
            assert memory.running + memory.prefixes.bytes <= memory.budget
    pytest.fail("they wait without end")


def check(heard, company):
    """Hold what was said in little room to what is said in plenty."""
    for each in heard:
        assert each.error is None, each.error
        met = company(of=LONG)
        most = each.generation.longest - len(each.generation.prompt_ids)
        assert each.ids == met.answer(each.generation.prompt_ids, max_new_tokens=most).ids


@pytest.mark.parametrize(("length", "more"), [(300, 5), (10, 300), (150, 40)])
def test_what_can_never_fit_is_refused_with_what_it_needs_and_what_there_is(length, more, with_room):
    met = with_room(200)
    heard = met.ask(text(length), max_new_tokens=more)
    finish_within_budget(met)
    assert isinstance(heard.error, OutOfMemory)
    message = str(heard.error)
    assert re.search(rf"{length} tokens .* need .* kB .* budget is .* kB: lower --max, shorten the prompt", message)
    assert "GPT_NOTEBOOK_CACHE_BUDGET" in message
    assert "\n" not in message
    assert met.answer(text(20), max_new_tokens=5).ids


def test_what_a_refused_one_is_said_to_need_is_more_than_there_is(company, monkeypatch):
    per_token = company(of=LONG).shape.bytes_per_token
    met = company(of=LONG, budget=200 * per_token)
    monkeypatch.setattr(
        "gpt_notebook.model_kernel.batching.texts.size", lambda count: f"{count // per_token} tokens' bytes"
    )
    heard = met.ask(text(150), max_new_tokens=40)
    met.finish()
    needed, there_is = (int(number) for number in re.findall(r"(\d+) tokens' bytes", str(heard.error)))
    assert there_is == 200 < needed


def test_those_for_whom_there_is_no_room_yet_wait_and_run(with_room, company, seen):
    met = with_room(300)
    heard = [met.ask(text(40, seed), max_new_tokens=20) for seed in range(8)]
    finish_within_budget(met)
    check(heard, company)
    assert 1 < max(seen.steps) < 8


def test_samples_for_which_there_is_no_room_yet_wait(with_room):
    met = with_room(300)
    heard = met.ask(text(40), max_new_tokens=20, n=8)
    finish_within_budget(met)
    assert heard.reasons == ["length"] * 8


def test_texts_that_are_half_read_in_the_background_hold_up_nobody(with_room, company):
    met = with_room(500)
    heard = []
    for length in (210, 100):  # the oldest and the shortest are read in turns
        heard.append(met.ask(text(length, length), max_new_tokens=5, background=True))
        met.step(2)
    assert met.way.bytes > (500 - 195) * met.shape.bytes_per_token
    heard.append(met.ask(text(195, 2), max_new_tokens=5))
    finish_within_budget(met)
    check(heard, company)


def test_two_long_texts_that_do_not_fit_beside_each_other_are_read_one_after_the_other(with_room, company):
    met = with_room(520)
    heard = [met.ask(text(200 + 20 * seed, seed), max_new_tokens=5) for seed in range(3)]
    finish_within_budget(met)
    check(heard, company)


def test_texts_that_were_read_together_and_cannot_both_run_do_so_one_after_the_other(with_room, company, seen):
    met = with_room(265)
    seen.clear()
    heard = [met.ask(text(7, seed), max_new_tokens=130) for seed in range(2)]  # with a slot of 256 each
    finish_within_budget(met)
    assert seen.read == [(7, 7), (7,)]
    check(heard, company)


def test_texts_of_other_models_that_run_are_waited_for(with_room, company):
    first = with_room(400)
    second = with_room(0, memory=first.memory)
    heard = [first.ask(text(100), max_new_tokens=100)]
    first.step(12)
    assert first.rows == 1
    heard.append(second.ask(text(100, 1), max_new_tokens=20))
    finish_within_budget(first, second)
    check(heard, company)


def test_texts_of_two_models_that_wait_for_each_others_room_both_run(with_room, company):
    first = with_room(400)
    second = with_room(0, memory=first.memory)
    heard = [
        met.ask(text(100 + seed, seed), max_new_tokens=20)  # with a slot of 128
        for seed in range(2)
        for met in (first, second)
    ]
    finish_within_budget(first, second)
    check(heard, company)


def test_slots_in_which_nobody_runs_are_given_up_for_another_model(with_room, company):
    first = with_room(400)
    second = with_room(0, memory=first.memory)
    heard = [first.answer(text(100), max_new_tokens=100)]
    assert first.way.bytes
    heard.append(second.ask(text(100, 1), max_new_tokens=20))
    finish_within_budget(first, second)
    check(heard, company)


def test_slots_in_which_nobody_runs_are_given_up_for_a_longer_text(with_room, company):
    met = with_room(700)
    many = [met.ask(text(10, seed), max_new_tokens=20) for seed in range(20)]
    finish_within_budget(met)
    check(many, company)
    assert met.slots.bytes == 16 * 32 * met.shape.bytes_per_token
    heard = met.ask(text(200), max_new_tokens=5)  # 200 and a slot of 256
    finish_within_budget(met)
    check([heard], company)


def test_what_is_taken_does_not_grow_with_the_number_of_requests(with_room):
    chance, met, taken = chances(0), with_room(400), []
    for _ in range(6):
        for _ in range(20):
            options = {"max_new_tokens": chance.randint(1, 6), "background": chance.random() < 0.3}
            heard = met.ask(text(chance.randint(1, 60), chance.randint(0, 9)), **options)
            met.step(chance.randint(0, 3))
            heard.generation.cancelled = chance.random() < 0.2
        finish_within_budget(met)
        assert all(each.ended and each.error is None for each in met.asked)
        assert met.rows == len(met.way._texts) == 0
        taken.append(met.memory.running)
    assert max(taken) <= 300 * met.shape.bytes_per_token
    assert met.memory.prefixes.bytes <= met.memory.budget


def test_what_nobody_has_any_more_is_not_counted(company):
    met = company()
    memory = met.memory
    met.answer(text(20), max_new_tokens=5)
    assert memory.running
    met.way = None
    assert memory.running == 0


@pytest.mark.parametrize("family", ["gpt_neo", "deepseek_v3", "lfm2", "mamba"])
def test_caches_of_a_familys_own_are_counted_and_kept_texts_leave_for_them(family, company):
    together = company()
    together.answer(text(60), max_new_tokens=2)
    together.way.let_go()
    memory = together.memory
    kept = memory.prefixes.bytes
    memory.budget = memory.running + kept
    apart = company(family, memory=memory)
    before = memory.running
    heard = apart.ask(text(40), max_new_tokens=20, n=2)
    apart.step()
    assert memory.running > before
    assert memory.prefixes.bytes < kept
    assert not memory.prefixes.bytes or memory.running + memory.prefixes.bytes <= memory.budget
    apart.finish()
    assert len(heard.ids) == 20
    assert memory.running == before
