"""Work that is too far ahead of its reader waits for it, instead of filling the memory."""

import asyncio

from gpt_notebook.model_kernel import runner
from gpt_notebook.model_kernel.runner import Outbox
from model_kernel.asking import wait_for


def outbox(resumed):
    return Outbox(asyncio.get_running_loop(), lambda: resumed.append(True))


def block(size):
    return memoryview(bytes(size))


def test_work_waits_once_too_much_is_unread_and_goes_on_when_half_of_it_is_read(monkeypatch):
    monkeypatch.setattr(runner, "MOST_UNREAD", 100)

    async def read():
        resumed = []
        box = outbox(resumed)
        waited = []
        for _ in range(3):
            box.put(block(40))
            waited.append(box.must_wait())
        assert waited == [False, False, True]
        await box.take()
        assert resumed == []
        await box.take()
        assert resumed == [True]
        await box.take()
        assert resumed == [True]

    wait_for(read())


def test_events_are_never_too_much():
    async def read():
        box = outbox([])
        for _ in range(1000):
            box.put("event")
        assert not box.must_wait()
        assert await box.take() == "event"

    wait_for(read())


def test_a_reader_that_was_faster_needs_nobody_to_go_on(monkeypatch):
    monkeypatch.setattr(runner, "MOST_UNREAD", 100)

    async def read():
        resumed = []
        box = outbox(resumed)
        box.put(block(400))
        await box.take()
        assert not box.must_wait()
        assert resumed == []

    wait_for(read())
