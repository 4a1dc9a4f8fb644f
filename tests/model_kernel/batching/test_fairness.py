"""Nobody is kept waiting by a long text, nobody is starved by short ones, and those in the background come last."""

from __future__ import annotations

import pytest

from gpt_notebook.model_kernel.batching.running import MOST_ROWS
from gpt_notebook.model_kernel.batching.together import FOR_OTHERS
from gpt_notebook.model_kernel.scoring import NextToken
from model_kernel.batching.company import text
from model_kernel.batching.conftest import PIECE

LONG = 25 * PIECE + 3
"""Tokens of a text that takes 26 pieces."""


@pytest.fixture
def met(company):
    return company(of={"max_position_embeddings": 512})


@pytest.mark.parametrize("offset", range(3))
def test_a_short_prompt_is_answered_within_two_steps_while_a_long_one_is_read(offset, met):
    long = met.ask(text(LONG), max_new_tokens=3)
    met.step(3 + offset)
    for seed in range(4):
        short = met.ask(text(6, seed), max_new_tokens=4)
        met.step(2)
        assert short.ids
        assert not long.ids
        met.step()
    met.finish()
    assert len(long.ids) == 3


def test_a_long_prompt_is_read_though_short_ones_come_without_end(met):
    long = met.ask(text(LONG), max_new_tokens=3)
    for seed in range(2 * 26 + 2):
        met.ask(text(6, seed), max_new_tokens=2)
        met.step()
    assert long.ids


def test_a_long_prompt_is_read_though_rows_are_never_free_for_long(met):
    long = met.ask(text(LONG), max_new_tokens=3)
    for seed in range(4 * 26):
        while len(met.way._texts) < 20:
            met.ask(text(6, 1000 * seed + len(met.way)), max_new_tokens=9)
        met.step()
    assert long.ids


def test_all_that_run_get_a_token_in_every_step_while_a_long_prompt_is_read(met, seen):
    running = [met.ask(text(5, seed), max_new_tokens=60) for seed in range(3)]
    met.step(2)
    seen.clear()
    met.ask(text(LONG), max_new_tokens=3)
    for _ in range(20):
        before = [each.generation.generated for each in running]
        met.step()
        assert [each.generation.generated for each in running] == [count + 1 for count in before]
    assert seen.read == [(PIECE,)] * 20


def test_one_pass_reads_at_most_a_piece(met, seen):
    for seed in range(9):
        met.ask(text(3 + 2 * seed, seed), max_new_tokens=2)
    met.finish()
    assert max(map(sum, seen.read)) <= PIECE
    assert max(map(len, seen.read)) >= 3
    assert len(seen.steps) < len(seen.read) + 3


def test_no_more_rows_share_a_step_than_gain_by_it(met, seen):
    asked = [met.ask(text(5, seed), max_new_tokens=20, n=1 + seed % 2) for seed in range(MOST_ROWS)]
    met.finish()
    assert max(seen.steps) == MOST_ROWS
    assert all(each.reasons == ["length"] * len(each.generation.samples) for each in asked)


def test_those_in_the_background_leave_rows_free(met, seen):
    asked = [met.ask(text(5, seed), max_new_tokens=30, background=True) for seed in range(MOST_ROWS + 4)]
    met.step(20)
    assert met.rows == max(seen.steps) == MOST_ROWS - FOR_OTHERS
    interactive = [met.ask(text(5, 100 + seed), max_new_tokens=10) for seed in range(FOR_OTHERS)]
    met.step(4)
    assert all(each.ids for each in interactive)
    met.finish()
    assert all(each.reasons == ["length"] for each in asked)


def test_those_in_the_background_are_read_when_nobody_else_waits_to_be(met):
    background = met.ask(text(LONG), max_new_tokens=3, background=True)
    met.step(5)
    read = background.generation.prompt_ids[: met.way._texts._texts[0].start]
    assert len(read) == 5 * PIECE
    waits = met.ask(text(6 * PIECE, 1), max_new_tokens=3)
    while not waits.ids:
        assert met.way._texts._texts[0].start == len(read)
        met.step()
    met.finish()
    assert background.reasons == ["length"]


def test_a_background_text_that_has_been_read_gets_no_row_before_others(met):
    for seed in range(MOST_ROWS - FOR_OTHERS):
        met.ask(text(5, seed), max_new_tokens=30)
    while met.rows < MOST_ROWS - FOR_OTHERS:
        met.step()
    background = met.ask(text(5, 77), max_new_tokens=3, background=True)
    others = [met.ask(text(5, 78 + seed), max_new_tokens=3) for seed in range(3)]
    met.step(4)
    assert all(each.ids for each in others)
    assert not background.ids
    met.finish()
    assert background.reasons == ["length"]


@pytest.mark.parametrize("family", ["gpt_neo", "mamba"])
def test_models_that_read_apart_take_turns_and_the_background_one_at_a_time(family, company):
    met = company(family)
    background = [met.ask(text(5, seed), max_new_tokens=8, background=True) for seed in range(3)]
    others = [met.ask(text(5, 9 + seed), max_new_tokens=8) for seed in range(2)]
    for count in range(1, 9):
        met.step()
        assert [each.generation.generated for each in (*others, *background)] == [count] * 3 + [0] * 2
    met.finish()
    assert all(each.finished and each.error is None for each in background)


def test_no_more_samples_read_apart_at_a_time_than_share_a_step(company):
    met = company("gpt_neo")
    first = [met.ask(text(5, seed), max_new_tokens=3, n=7) for seed in range(4)]
    large = met.ask(text(5, 10), max_new_tokens=3, n=8)  # 28 run, and 32 may
    small = met.ask(text(5, 11), max_new_tokens=3)
    met.step(3)
    assert all(each.ended for each in first)
    assert not large.tokens[0]
    assert not small.ids  # it would have had a place, but nobody is overtaken
    met.finish()
    assert [len(ids) for ids in large.tokens] == [3] * 8
    assert len(small.ids) == 3


def test_a_cell_beside_a_table_of_equal_rows_is_answered_at_once(met):
    for seed in range(100):
        met.ask(text(6, seed), max_new_tokens=200, background=True)
    met.step(10)
    cells = [met.ask(text(6, 1000 + number), max_new_tokens=100) for number in range(FOR_OTHERS)]
    met.step(FOR_OTHERS)
    assert all(cell.ids for cell in cells)


def test_who_wants_the_next_token_only_is_answered_though_others_are_read_first(met):
    short = [met.ask(text(6, seed), max_new_tokens=3) for seed in range(4)]
    asked = NextToken(short[0].generation.served, text(PIECE + 5, 10), 3)
    said: list = []
    asked.emit = said.append
    met.way.add(asked)
    met.step()
    assert said == []
    met.finish()
    *tokens, end = said
    assert len(tokens) == 3
    assert end is None


def test_who_asks_for_many_samples_leaves_rows_for_those_who_have_none(met):
    for seed in range(5):
        met.ask(text(6, seed), max_new_tokens=200, n=8)
        met.step(2)
    newcomers = [met.ask(text(6, 100 + number), max_new_tokens=5) for number in range(FOR_OTHERS - 2)]
    met.step(FOR_OTHERS)
    assert all(newcomer.ids for newcomer in newcomers)
