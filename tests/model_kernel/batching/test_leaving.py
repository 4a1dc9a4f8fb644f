"""Whoever leaves, and whenever, leaves nothing behind but what others may go on from."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref

import pytest

from gpt_notebook.errors import GptNotebookError
from gpt_notebook.model_kernel.batching import slots
from gpt_notebook.model_kernel.batching.batch import Batch
from gpt_notebook.model_kernel.batching.together import Together
from gpt_notebook.protocol import GenerateRequest, SamplingOptions, Started, Tokens
from model_kernel.asking import all_of, wait_for
from model_kernel.batching.company import chances, let_steps_end, text
from model_kernel.batching.conftest import PIECE


@pytest.fixture(autouse=True)
def nothing_is_kept_in_advance(monkeypatch):
    monkeypatch.setattr(slots, "KEPT", 0)


def check_gone(met):
    assert len(met.way) == met.rows == len(met.way._texts) == 0
    assert met.memory.running == 0


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 6])
def test_who_is_cancelled_ends_in_the_next_step_with_what_there_is(steps, company):
    met = company()
    expected = company().answer(text(3 * PIECE), max_new_tokens=9).ids
    heard = met.ask(text(3 * PIECE), max_new_tokens=9, n=2)
    met.step(steps)
    said = heard.ids
    heard.generation.cancelled = True
    met.step()
    assert heard.ended
    assert heard.error is None
    assert heard.reasons == ["cancelled"] * 2
    assert heard.ids == said == expected[: len(said)]
    assert bool(said) == (steps >= 3)
    check_gone(met)


def test_what_was_held_back_for_a_stop_string_is_said_when_it_is_cancelled(company):
    whole = company().answer(text(9), max_new_tokens=12)
    stop = "".join(token.text for token in whole.tokens[0][3:10]) + " and more"
    met = company()
    heard = met.ask(text(9), max_new_tokens=30, stop=(stop,))
    while heard.generation.generated < 8:
        met.step()
    assert len(heard.ids) < 8
    heard.generation.cancelled = True
    met.step()
    assert heard.ids == whole.ids[:8]
    assert heard.reasons == ["cancelled"]
    check_gone(met)


def test_who_waits_for_a_row_can_leave(company):
    met = company()
    running = [met.ask(text(5, seed), max_new_tokens=25) for seed in range(32)]
    waiting = [met.ask(text(5, 50 + seed), max_new_tokens=5) for seed in range(3)]
    met.step(12)
    assert met.rows == 32
    waiting[1].generation.cancelled = True
    met.step()
    assert waiting[1].reasons == ["cancelled"]
    met.finish()
    assert all(each.reasons == ["length"] * len(each.reasons) for each in (*running, waiting[0], waiting[2]))
    check_gone(met)


def test_one_sample_that_has_ended_is_not_ended_again(company):
    met = company()
    whole = company().answer(text(9), seed=1, max_new_tokens=20, n=2)
    stop = whole.tokens[1][4].text + whole.tokens[1][5].text
    heard = met.ask(text(9), seed=1, max_new_tokens=20, n=2, stop=(stop,))
    while 1 not in heard.finished:
        met.step()
    assert 0 not in heard.finished
    heard.generation.cancelled = True
    met.step()
    assert heard.reasons == ["cancelled", "stop"]
    check_gone(met)


def test_others_go_on_as_if_nobody_had_been_there(company):
    chance, met, stay, asked = chances(0), company(), [], 0
    for _ in range(120):
        if chance.random() < 0.5:
            heard = met.ask(text(chance.randint(1, 35), asked), max_new_tokens=chance.randint(1, 15))
            asked += 1
            if chance.random() < 0.3:
                stay.append(heard)
        for heard in met.asked:
            heard.generation.cancelled |= heard not in stay and chance.random() < 0.1
        met.step()
    met.finish()
    check_gone(met)
    assert len(stay) >= 10
    for heard in stay:
        most = heard.generation.longest - len(heard.generation.prompt_ids)
        assert heard.ids == company().answer(heard.generation.prompt_ids, max_new_tokens=most).ids


# --- clients that vanish --------------------------------------------------------------------------------------------

REQUESTS, AT_ONCE = 500, 40
LATEST = 12
"""Events after which a client is gone for certain."""


async def vanish(engine, model, number):
    """Ask for something, and leave at some point in one way or another."""
    chance = chances(number)
    stop = ("never said",) if chance.random() < 0.3 else ()
    options = SamplingOptions(max_new_tokens=chance.choice((1, 5, 500)), stop=stop, n=chance.choice((1, 1, 3)))
    ids = tuple(text(chance.randint(1, 30), chance.randint(0, 50)))
    stream = engine.generate(GenerateRequest(model=model, prompt_token_ids=ids, options=options))
    leaves_after, way = chance.randint(0, LATEST), chance.choice(("close", "cancel", "task"))

    async def listen():
        async with contextlib.aclosing(stream) as events:
            for _ in range(leaves_after):
                event = await anext(events, None)
                if way == "cancel" and isinstance(event, Started) and leaves_after % 2:
                    engine.cancel((event.id,))

    task = asyncio.create_task(listen())
    if way == "task":
        for _ in range(chance.randint(0, 30)):
            await asyncio.sleep(0)  # so that it is somewhere else each time
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("family", ["llama", "mamba"])
def test_nothing_is_left_of_hundreds_that_vanish(family, tiny, engine, monkeypatch):
    model, submitted, how_far, real = tiny(family), weakref.WeakSet(), set(), Batch.submit

    def submit(self, generation):
        submitted.add(generation)
        weakref.finalize(
            generation, lambda samples: how_far.add(sum(each.generated for each in samples)), generation.samples
        )
        real(self, generation)

    monkeypatch.setattr(Batch, "submit", submit)
    last = GenerateRequest(model=model, prompt_token_ids=(5, 6), options=SamplingOptions(max_new_tokens=3))
    all_of(engine.generate(last))
    threads = set(threading.enumerate())

    async def clients(numbers):
        await asyncio.gather(*(vanish_each(numbers) for _ in range(AT_ONCE)))

    async def vanish_each(numbers):
        for number in numbers:
            await vanish(engine, model, number)

    async def story():
        await clients(iter(range(REQUESTS if family == "llama" else REQUESTS // 5)))
        assert engine.requests() == []
        assert [event async for event in engine.generate(last) if isinstance(event, Tokens)]

    wait_for(story())
    let_steps_end(engine)
    (loaded,) = engine._models._loaded.values()
    assert loaded.in_use == 0
    assert len(loaded.batch._newcomers) == 0
    assert [len(way) for way in loaded.batch._ways] == [0, 0]
    assert not engine._admission._requests
    assert engine._runner.caches.running == 0
    assert set(threading.enumerate()) == threads
    gc.collect()
    assert not submitted
    assert {0, 1, 5} < how_far


def test_a_batch_that_fails_as_a_whole_tells_everybody_and_works_on(tiny, engine, monkeypatch):
    class PanicError(BaseException):
        pass

    def step(self):
        raise PanicError

    async def one():
        options = SamplingOptions(max_new_tokens=3)
        request = GenerateRequest(model=tiny(), prompt="Once", options=options)
        return [event async for event in engine.generate(request)]

    async def several():
        return await asyncio.wait_for(asyncio.gather(*(one() for _ in range(3)), return_exceptions=True), 20)

    with monkeypatch.context() as patched:
        patched.setattr(Together, "step", step)
        failed = wait_for(several())
    assert [type(each) for each in failed] == [GptNotebookError] * 3
    assert [events[-1].type for events in wait_for(several())] == ["done"] * 3
