"""What goes wrong ends those at fault and nobody else, and the batch works on."""

from __future__ import annotations

import pytest
import torch

from gpt_notebook.model_kernel.batching import passes
from gpt_notebook.model_kernel.batching.attending import Stepping
from gpt_notebook.model_kernel.generation import Sample
from model_kernel.batching.company import text
from model_kernel.batching.conftest import PIECE

SHORT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA"),
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
]


class PanicError(BaseException):
    """As Rust's panics arrive in Python: no Exception."""


@pytest.fixture
def alone(company):
    """Returns what a request says that has a batch to itself."""

    def answer(ids, **options):
        return company().answer(ids, **options).ids

    return answer


def three(met, **options):
    """Three generations that run, in the order in which they came."""
    heard = []
    for seed in range(3):
        heard.append(met.ask(text(5 + seed, seed), max_new_tokens=12 + 10 * seed, **options))
        while not heard[-1].ids:
            met.step()
    return heard


def failing(monkeypatch, error, *, layer=1, times=1):
    """Let the next steps of the rows fail in a layer."""
    left, real = [None] * times, Stepping.attend

    def attend(self, where, call):
        if where == layer and left:
            left.pop()
            raise error
        return real(self, where, call)

    monkeypatch.setattr(Stepping, "attend", attend)


@pytest.mark.parametrize("error", [*SHORT_OF_MEMORY, ValueError("shapes")])
@pytest.mark.parametrize("at", [0, PIECE])
def test_a_failure_in_reading_ends_that_request_only(error, at, company, alone, monkeypatch):
    met, ids = company(), text(40, 40)
    running, real = three(met), passes.read

    def read(model, pieces):
        if any(piece.start == at and piece.token_ids[0] == ids[at] for piece in pieces):
            raise error
        return real(model, pieces)

    with monkeypatch.context() as patched:
        patched.setattr(passes, "read", read)
        failed = met.ask(ids, max_new_tokens=5)
        met.finish()
    assert failed.error is error
    assert failed.ids == []
    for seed, each in enumerate(running):
        assert each.error is None
        assert each.ids == alone(text(5 + seed, seed), max_new_tokens=12 + 10 * seed)
    assert met.answer(ids, max_new_tokens=5).ids == alone(ids, max_new_tokens=5)


@pytest.mark.parametrize("error", [*SHORT_OF_MEMORY, ValueError("shapes"), PanicError()])
@pytest.mark.parametrize("recorded", [False, True])
def test_a_text_that_fails_ends_none_of_those_it_was_read_with(error, recorded, company, alone, monkeypatch):
    met, real, passes_with_bad = company(), passes.read, []
    texts = [text(3, seed) for seed in range(5)]  # which fit one pass
    bad = texts[2]

    def read(model, pieces):
        if any(list(piece.token_ids) == bad for piece in pieces):
            passes_with_bad.append(len(pieces))
            raise error
        return real(model, pieces)

    with monkeypatch.context() as patched:
        patched.setattr(passes, "read", read)
        heard = [met.ask(ids, max_new_tokens=6, attention=recorded) for ids in texts]
        met.finish()
    assert passes_with_bad == [len(texts), 1]
    for ids, each in zip(texts, heard, strict=True):
        assert each.error is (error if ids is bad else None)
        assert each.ids == ([] if ids is bad else alone(ids, max_new_tokens=6))
    assert met.answer(bad, max_new_tokens=6).ids == alone(bad, max_new_tokens=6)


@pytest.mark.parametrize("error", SHORT_OF_MEMORY)
def test_texts_that_are_too_much_together_are_read_one_by_one(error, company, alone, monkeypatch):
    met, real = company(), passes.read
    texts = [text(3, seed) for seed in range(5)]  # which fit one pass

    def read(model, pieces):
        if len(pieces) > 1:
            raise error
        return real(model, pieces)

    with monkeypatch.context() as patched:
        patched.setattr(passes, "read", read)
        heard = [met.ask(ids, max_new_tokens=6) for ids in texts]
        met.finish()
    assert [each.error for each in heard] == [None] * len(texts)
    assert [each.ids for each in heard] == [alone(ids, max_new_tokens=6) for ids in texts]


@pytest.mark.parametrize("error", SHORT_OF_MEMORY)
@pytest.mark.parametrize("left_before", [None, 0, 1])
def test_too_little_memory_for_a_step_ends_the_newest_only(error, left_before, company, alone, monkeypatch):
    met = company()
    heard = three(met)
    if left_before is not None:
        heard[left_before].generation.cancelled = True
        met.step()
    with monkeypatch.context() as patched:
        failing(patched, error)
        met.step()
    assert [each.error for each in heard] == [None, None, error]
    met.finish()
    for seed in {0, 1} - {left_before}:
        assert heard[seed].ids == alone(text(5 + seed, seed), max_new_tokens=12 + 10 * seed)


def test_too_little_memory_again_and_again_ends_one_after_the_other(company, alone, monkeypatch):
    met = company()
    heard = three(met)
    failing(monkeypatch, SHORT_OF_MEMORY[0], times=2)
    met.finish()
    assert [each.error is None for each in heard] == [True, False, False]
    assert heard[0].ids == alone(text(5), max_new_tokens=12)


def test_the_attention_of_those_that_go_on_is_whole(company, monkeypatch):
    met = company("gpt2")
    first = met.ask(text(5), max_new_tokens=9, attention=True)
    met.step(3)
    second = met.ask(text(6, 1), max_new_tokens=9)
    met.step(2)
    failing(monkeypatch, SHORT_OF_MEMORY[0])
    met.finish()
    assert second.error is not None
    (capture,) = first.captures
    (expected,) = company("gpt2").answer(text(5), max_new_tokens=9, attention=True).captures
    assert capture.layers.keys() == expected.layers.keys()
    for place, layer in expected.layers.items():
        for name, tensor in layer.tensors.items():
            torch.testing.assert_close(capture.layers[place].tensors[name], tensor)


def test_another_error_ends_all_of_that_step_and_the_batch_works_afterwards(company, alone, monkeypatch):
    met, error = company(), RuntimeError("shapes do not fit")
    heard = three(met)
    waiting = met.ask(text(30, 30), max_new_tokens=6)
    with monkeypatch.context() as patched:
        failing(patched, error)
        met.step()
    assert [each.error for each in heard] == [error] * 3
    met.finish()
    assert waiting.ids == alone(text(30, 30), max_new_tokens=6)
    assert met.answer(text(5), max_new_tokens=12).ids == alone(text(5), max_new_tokens=12)


@pytest.mark.parametrize("error", [KeyError("no such token"), PanicError()])
@pytest.mark.parametrize("at", [0, 4])
def test_a_token_that_cannot_be_told_ends_one_request(error, at, company, alone, monkeypatch):
    met, real = company(), Sample.choose
    heard = three(met)
    bad = met.ask(text(9, 9), max_new_tokens=20, n=2)

    def choose(self, row):
        if self is bad.generation.samples[1] and self.generated == at:
            raise error
        return real(self, row)

    monkeypatch.setattr(Sample, "choose", choose)
    met.finish()
    assert bad.error is error
    for seed, each in enumerate(heard):
        assert each.error is None
        assert each.ids == alone(text(5 + seed, seed), max_new_tokens=12 + 10 * seed)


def test_no_room_to_grow_ends_the_newcomer_only(company, alone, monkeypatch):
    met = company()
    heard = three(met)
    real, calls = torch.Tensor.new_zeros, iter(range(100))

    def new_zeros(self, *shape, **options):
        if next(calls) == 1:
            raise torch.OutOfMemoryError
        return real(self, *shape, **options)

    late = [met.ask(text(9, 10 + seed), max_new_tokens=9) for seed in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr(torch.Tensor, "new_zeros", new_zeros)
        while sum(each.ended for each in late) == 0:
            met.step()
    met.finish()
    assert sum(isinstance(each.error, torch.OutOfMemoryError) for each in late) == 1
    for seed, each in enumerate(heard):
        assert each.ids == alone(text(5 + seed, seed), max_new_tokens=12 + 10 * seed)
