"""Cancelling calls from another thread: the connection ends at once, and the call says that it was cancelled."""

from __future__ import annotations

import threading

import pytest
from fake_model_kernel import TOKEN, FakeModelKernel, Stream, story

from gpt_notebook.cancellation import Cancellation, check_cancelled
from gpt_notebook.client import Client
from gpt_notebook.errors import ModelNotFound, RequestCancelled
from gpt_notebook.protocol import Done, GenerateRequest, NextRequest

REQUEST = GenerateRequest(prompt="Once")


class Silence:
    """A script that sends some events and then nothing more until the client hangs up."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.begun = threading.Event()
        self.hung_up = threading.Event()

    def __call__(self, stream: Stream, _body: dict) -> None:
        stream.send(*story(" upon")[: self.count])
        self.begun.set()
        stream.wait_until_closed()
        self.hung_up.set()


class Call(threading.Thread):
    """A call that another thread makes."""

    def __init__(self, cancellation: Cancellation, address: str) -> None:
        super().__init__(daemon=True)
        self.cancellation, self.client = cancellation, Client(address, TOKEN)
        self.events: list[object] = []
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            with self.cancellation.covering():
                for event in self.client.generate(REQUEST):
                    self.events.append(event)
        except Exception as error:  # noqa: BLE001 - the test asks which
            self.error = error


@pytest.mark.parametrize("where", ["model_kernel", "remote"])
@pytest.mark.parametrize("count", [0, 2], ids=["before the first event", "in the middle"])
def test_a_call_that_waits_ends_at_once(request, where, count):
    kernel: FakeModelKernel = request.getfixturevalue(where)
    script = kernel.scripts["/v1/generate"] = Silence(count)
    cancellation = Cancellation()
    call = Call(cancellation, kernel.address)
    assert script.begun.wait(10)
    cancellation.cancel()
    call.join(10)
    assert isinstance(call.error, RequestCancelled)
    assert script.hung_up.wait(10)
    assert len(call.events) <= count


def test_what_would_begin_after_it_is_not_sent(model_kernel):
    cancellation = Cancellation()
    cancellation.cancel()
    with cancellation.covering():
        with pytest.raises(RequestCancelled):
            list(Client(model_kernel.address, TOKEN).generate(REQUEST))
        with pytest.raises(RequestCancelled):
            Client(model_kernel.address, TOKEN).next(NextRequest(prompt="Once"))
        with pytest.raises(RequestCancelled):
            check_cancelled()
    assert model_kernel.calls == []


def test_calls_of_others_go_on(model_kernel):
    cancellation = Cancellation()
    with cancellation.covering():
        pass
    cancellation.cancel()
    assert isinstance(list(Client(model_kernel.address, TOKEN).generate(REQUEST))[-1], Done)
    check_cancelled()


def test_a_call_that_failed_before_says_why(model_kernel):
    error = {"code": "model_not_found", "message": "there is no model gtp2", "param": "model"}
    model_kernel.answers["/v1/next"] = {"error": {**error, "status": 404}}
    with Cancellation().covering(), pytest.raises(ModelNotFound):
        Client(model_kernel.address, TOKEN).next(NextRequest(prompt="Once"))


def test_a_call_that_is_over_has_nothing_to_cancel(model_kernel):
    cancellation = Cancellation()
    with cancellation.covering():
        events = list(Client(model_kernel.address, TOKEN).generate(REQUEST))
    cancellation.cancel()
    assert isinstance(events[-1], Done)


def test_an_abandoned_stream_is_closed_and_not_cancelled(model_kernel):
    cancellation = Cancellation()
    with cancellation.covering():
        events = Client(model_kernel.address, TOKEN).generate(REQUEST)
        next(events)
        cancellation.cancel()
        events.close()
