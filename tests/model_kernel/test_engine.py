from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing

import pytest
import torch

from gpt_notebook.batch_protocol import BatchRequest
from gpt_notebook.errors import GptNotebookError, OutOfMemory, TooManyRequests
from gpt_notebook.model_kernel.batching import passes
from gpt_notebook.model_kernel.engine import Engine
from gpt_notebook.model_kernel.scheduler import Work
from gpt_notebook.protocol import GenerateRequest, LoadRequest, SamplingOptions, Started, Tokens
from gpt_notebook.settings import Settings
from model_kernel.asking import all_of, completion, wait_for


def request(model, **options):
    return GenerateRequest(model=model, prompt="Once upon a", options=SamplingOptions(temperature=0, **options))


def test_two_generations_come_on_together(tiny, shared_engine, monkeypatch):
    both_there = threading.Event()
    real = passes.read

    def read(*given):
        assert both_there.wait(10)
        return real(*given)

    monkeypatch.setattr(passes, "read", read)

    async def both():
        order, begun = [], []

        async def one(name):
            async for event in shared_engine.generate(request(tiny("llama"), max_new_tokens=20)):
                if isinstance(event, Started):
                    begun.append(name)
                if isinstance(event, Tokens):
                    order.append(name)

        async def begin():
            while len(begun) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            both_there.set()

        await asyncio.gather(one("a"), one("b"), begin())
        return order

    order = wait_for(both())
    halfway = order[: len(order) // 2]
    assert halfway.count("a") == pytest.approx(halfway.count("b"), abs=2)


def test_a_request_is_queued_until_its_first_step(tiny, shared_engine):
    model, begun, go_on = tiny("llama"), threading.Event(), threading.Event()
    all_of(shared_engine.load(LoadRequest(model=model)))

    class Before(Work):
        def step(self):
            begun.set()
            assert go_on.wait(10)
            return False

    def states():
        return {info.state for info in shared_engine.requests()}

    def has_work():
        requests = shared_engine._admission._requests.values()
        return any(each.work for request in requests for each in (request, *request._beside))

    async def story():
        asked = (
            shared_engine.generate(request(model, max_new_tokens=3)),
            shared_engine.batch(BatchRequest(prompts=("Once", "Twice"), model=model)),
        )
        for events in asked:
            begun.clear()
            go_on.clear()
            first = Before()
            first.emit = lambda _: None
            shared_engine._runner._scheduler.submit(first)
            assert await asyncio.to_thread(begun.wait, 10)
            async with aclosing(events):
                assert (await anext(events)).type in ("started", "batch_started")
                further = asyncio.ensure_future(anext(events))
                while not has_work():  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
                assert states() == {"queued"}
                go_on.set()
                await further
                assert states() == {"running"}

    wait_for(story())


def test_a_failing_step_is_one_line_and_hurts_nobody_else(tiny, shared_engine, monkeypatch):
    real = passes.step

    def step(model, slots, token_ids, **options):
        if model.source.name == tiny("mistral") and slots.lengths[0] > 5:
            message = "shapes do not fit\nand more"
            raise RuntimeError(message)
        return real(model, slots, token_ids, **options)

    monkeypatch.setattr(passes, "step", step)

    async def both():
        async def one(model):
            return [event async for event in shared_engine.generate(request(model, max_new_tokens=20))]

        return await asyncio.gather(one(tiny("mistral")), one(tiny("llama")), return_exceptions=True)

    failed, fine = wait_for(both())
    assert isinstance(failed, GptNotebookError)
    assert "failed (RuntimeError: shapes do not fit" in str(failed)
    assert "\n" not in str(failed)
    assert fine[-1].type == "done"


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory_in_a_step_says_what_to_do_and_the_next_request_works(error, tiny, shared_engine, monkeypatch):
    def read(*_, **__):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(passes, "read", read)
        with pytest.raises(OutOfMemory, match="shorten the text"):
            all_of(shared_engine.generate(request(tiny())))
    assert completion(shared_engine, tiny(), "fox", max_new_tokens=2).finish_reason == "length"
    assert shared_engine.requests() == []


def test_closing_a_stream_frees_its_request_before_the_next_token(tiny, shared_engine):
    async def story():
        stream = shared_engine.generate(request(tiny("llama"), max_new_tokens=10_000))
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, Tokens):
                    break
            (entry,) = shared_engine._admission._requests.values()
            work = entry.work
        assert shared_engine.requests() == []
        assert work.cancelled
        (model,) = [info for info in shared_engine.loaded() if info.name == tiny("llama")]
        assert model.in_use == 0

    wait_for(story())


@pytest.mark.parametrize("by_id", [True, False])
def test_cancelling_ends_a_stream_as_cancelled(by_id, tiny, shared_engine):
    async def story():
        seen = []
        async for event in shared_engine.generate(request(tiny("llama"), max_new_tokens=10_000, n=2)):
            seen.append(event)
            if isinstance(event, Started):
                assert shared_engine.cancel((event.id,) if by_id else None) == 1
        return seen

    *_, first, second, done = wait_for(story())
    assert (first.finish_reason, second.finish_reason) == ("cancelled", "cancelled")
    assert done.type == "done"


def test_cancelling_an_unknown_request_cancels_none(shared_engine):
    assert shared_engine.cancel(("req-unknown",)) == 0


def test_more_requests_than_allowed_are_refused(tiny, tmp_path):
    engine = Engine(Settings(home=tmp_path, max_requests=2))

    async def story():
        streams = [engine.generate(request(tiny(), max_new_tokens=30)) for _ in range(3)]
        for stream in streams[:2]:
            await anext(stream)
        with pytest.raises(TooManyRequests, match="which is the limit"):
            await anext(streams[2])
        for stream in streams[:2]:
            await stream.aclose()
        assert [event async for event in engine.generate(request(tiny(), max_new_tokens=2))][-1].type == "done"

    wait_for(story())
    engine.close()


def test_a_request_that_is_loading_or_running_is_listed(tiny, engine):
    async def story():
        states = []
        async for event in engine.generate(request(tiny(), max_new_tokens=3)):
            states += [(event.type, info.state, info.prompt_tokens > 0) for info in engine.requests()]
        return states

    states = wait_for(story())
    assert ("progress", "loading", False) in states
    assert ("tokens", "running", True) in states
    assert engine.requests() == []
    assert not engine.busy


def test_work_that_ends_after_its_event_loop_is_gone_disturbs_nobody(tiny, shared_engine):
    async def leave_without_closing():
        stream = shared_engine.generate(request(tiny("llama"), max_new_tokens=10_000))
        async for event in stream:
            if isinstance(event, Tokens):
                return stream
        return None

    wait_for(leave_without_closing())
    assert completion(shared_engine, tiny("llama"), "fox", max_new_tokens=2).finish_reason == "length"
