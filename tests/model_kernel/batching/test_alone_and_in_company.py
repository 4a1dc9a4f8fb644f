"""Whoever joins, leaves or reads beside it: a generation says what transformers' `generate` says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gpt_notebook.model_kernel.batching import attending, one_pass
from gpt_notebook.model_kernel.batching.attending import Reading, Stepping
from gpt_notebook.model_kernel.batching.slots import Slots
from gpt_notebook.model_kernel.batching.together import Together
from gpt_notebook.model_kernel.native import library
from gpt_notebook.model_kernel.native.library import Library
from model_kernel.batching.company import text
from model_kernel.batching.conftest import PIECE
from model_kernel.families import CAUSAL, WINDOW

TOGETHER = [
    "gpt2",
    "gpt_neox",
    "opt",
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3_text",
    "phi3",
    "gpt_oss",
    "olmo2",
    "starcoder2",
]

JOINING = [(0, 5, 20, 1), (0, 40, 12, 1), (2, PIECE + 1, 30, 2), (5, 2 * PIECE, 7, 1), (6, 9, 1, 1), (11, 50, 14, 1)]
"""When each comes, how long its prompt is, and how many tokens and samples it wants."""


def came(company):
    """Let them come at their steps, and return what each has said."""
    heard = []
    for at in range(max(step for step, *_ in JOINING) + 1):
        for number, (step, length, wanted, samples) in enumerate(JOINING):
            if step == at:
                heard.append(company.ask(text(length, number), max_new_tokens=wanted, n=samples))
        company.step()
    company.finish()
    return heard


def wrong(heard, reference):
    """The requests whose tokens are others than transformers'."""
    found = []
    for number, (each, (_, _, wanted, samples)) in enumerate(zip(heard, JOINING, strict=True)):
        expected = reference.greedy(each.generation.prompt_ids, wanted)
        if each.error is not None or [each.ids_of(index) for index in range(samples)] != [expected] * samples:
            found.append(number)
    return found


def test_the_requests_reach_beyond_a_window_and_a_piece():
    lengths = [length for _, length, *_ in JOINING]
    assert min(lengths) < WINDOW < PIECE < max(lengths) - PIECE


@pytest.fixture
def without_c(monkeypatch):
    """As on a machine without a compiler."""
    monkeypatch.setattr(library, "library", lambda: None)


@pytest.mark.parametrize("family", CAUSAL)
def test_tokens_in_company_are_those_of_transformers(family, company, reference, seen):
    met = company(family)
    assert isinstance(met.way, Together) == (family in TOGETHER)
    seen.clear()
    heard = came(met)
    assert wrong(heard, reference(family)) == []
    if family in TOGETHER:
        assert max(seen.steps) >= 4
        assert max(map(max, seen.read)) == PIECE
    else:
        assert seen.steps == seen.read == []


@pytest.mark.usefixtures("without_c")
@pytest.mark.parametrize("family", TOGETHER)
def test_tokens_in_company_without_c_are_those_of_transformers(family, company, reference):
    assert wrong(came(company(family)), reference(family)) == []


@pytest.mark.usefixtures("without_c")
@pytest.mark.parametrize("family", ["gpt2", "mistral", "gemma2", "gpt_oss"])
def test_tokens_alone_without_c_are_those_of_transformers(family, company, reference, seen):
    test_tokens_alone_are_those_of_transformers(family, company, reference, seen)


@pytest.mark.parametrize("family", ["gpt2", "mistral", "gemma2", "gpt_oss"])
def test_tokens_alone_are_those_of_transformers(family, company, reference, seen):
    met = company(family)
    seen.clear()
    heard = [
        met.answer(text(length, number), max_new_tokens=wanted, n=samples)
        for number, (_, length, wanted, samples) in enumerate(JOINING)
    ]
    assert wrong(heard, reference(family)) == []
    assert max(seen.steps) == 2  # those of the only request with two samples


# --- what these tests would notice ----------------------------------------------------------------------------------


def one_key_more(monkeypatch):
    real = Library.attend

    def attend(self, call, *tensors):
        return real(self, replace(call, window=call.window and call.window + 1), *tensors)

    monkeypatch.setattr(Library, "attend", attend)


def one_key_more_without_c(monkeypatch):
    monkeypatch.setattr(library, "library", lambda: None)
    real = Stepping._mask
    monkeypatch.setattr(Stepping, "_mask", lambda self, window: real(self, window and window + 1))


def one_key_more_in_a_piece(monkeypatch):
    real = Reading._mask
    monkeypatch.setattr(Reading, "_mask", lambda self, number, window: real(self, number, window and window + 1))


def a_position_too_far(monkeypatch):
    real = one_pass.run

    def run(model, attending, token_ids, positions, *arguments, **options):
        return real(model, attending, token_ids, [*positions[:-1], positions[-1] + 1], *arguments, **options)

    monkeypatch.setattr(one_pass, "run", run)


def nobody_moves(monkeypatch):
    def remove(self, slot):
        self.lengths[slot], self.reserved[slot] = self.lengths[-1], self.reserved[-1]
        self.lengths.pop()
        self.reserved.pop()

    monkeypatch.setattr(Slots, "remove", remove)


def rows_see_each_other(monkeypatch):
    real = Library.attend

    def attend(self, call, keys, values, lengths):
        return real(self, call, keys.roll(1, 0), values.roll(1, 0), lengths)

    monkeypatch.setattr(Library, "attend", attend)


def rows_see_each_other_without_c(monkeypatch):
    monkeypatch.setattr(library, "library", lambda: None)
    real = attending._weighed

    def weighed(query, keys, values, call, mask):
        return real(query, keys.roll(1, 0), values.roll(1, 0), call, mask)

    monkeypatch.setattr(attending, "_weighed", weighed)


@pytest.mark.parametrize(
    "mutant",
    [
        one_key_more,
        one_key_more_without_c,
        one_key_more_in_a_piece,
        a_position_too_far,
        nobody_moves,
        rows_see_each_other,
        rows_see_each_other_without_c,
    ],
)
def test_what_is_done_wrongly_shows_in_the_tokens(mutant, company, reference, monkeypatch):
    met = company("mistral")
    mutant(monkeypatch)
    assert wrong(came(met), reference("mistral"))


def test_a_family_that_reads_otherwise_in_company_is_found_out_when_it_is_loaded(company, monkeypatch):
    real = Reading.attend

    def attend(self, layer, call):
        return real(self, layer, call) * torch.tensor(1.01)

    monkeypatch.setattr(Reading, "attend", attend)
    assert not isinstance(company("llama").way, Together)
