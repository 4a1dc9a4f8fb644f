"""The fake engine's jobs do what real ones do, as fast as the test wants."""

from __future__ import annotations

import pytest

from gpt_notebook.errors import ModelNotFound
from gpt_notebook.job_events import CheckpointSaved, Probed, StateChanged, StepDone
from gpt_notebook.job_protocol import CommandRequest, EventsRequest, JobOptions, JobRequest
from gpt_notebook.testing import FakeEngine, Gate, serving


def begun(client, **options):
    """A job that has been started, and the events of it that follow."""
    data = client.upload([b'{"text": "a fox"}\n']).digest
    client.start_job(JobRequest(data=data, name="fox", options=JobOptions(**options)))
    return client.job_events(EventsRequest(job="fox", follow=True))


def until(events, kind, **fields):
    """The first event that is so."""
    return next(
        each for each in events if isinstance(each, kind) and all(getattr(each, k) == v for k, v in fields.items())
    )


def test_a_job_trains_no_faster_than_its_gate():
    engine = FakeEngine(gate=Gate())
    with serving(engine) as model_kernel:
        client = model_kernel.client()
        events = begun(client, max_steps=3, save_every=1, probes=("A fox",), probe_every=2)
        assert until(events, Probed, step=0).prompt == "A fox"
        engine.gate.let(1)
        assert until(events, StepDone).loss == 3.0
        assert until(events, CheckpointSaved).step == 1
        assert [job.step for job in client.jobs()] == [1]
        engine.gate.open()
        assert until(events, Probed, step=2)
        assert until(events, StateChanged, state="succeeded").step == 3
        assert [(each.name, each.steps) for each in client.adapters()] == [("fox", (1, 2, 3))]
    assert not engine.jobs.home.exists()


def test_a_job_pauses_keeps_what_it_has_and_goes_on():
    engine = FakeEngine(gate=Gate())
    with serving(engine) as model_kernel:
        client = model_kernel.client()
        events = begun(client)
        engine.gate.let(1)
        until(events, StepDone, step=1)
        client.command(CommandRequest(job="fox", command="pause"))
        assert until(events, StateChanged, state="paused").step == 1
        assert [each.step for each in client.jobs()[0].checkpoints] == [1]
        client.command(CommandRequest(job="fox", command="resume"))
        engine.gate.open()
        events = client.job_events(EventsRequest(job="fox", follow=True))
        assert [each.step for each in events if isinstance(each, StepDone)] == [1, 2, 3, 4]
        assert client.jobs()[0].attempt == 2


def test_a_full_fine_tune_is_a_model():
    with serving(FakeEngine()) as model_kernel:
        client = model_kernel.client()
        until(begun(client, method="full"), StateChanged, state="succeeded")
        assert client.jobs()[0].result == "fox"


def test_a_model_that_there_is_not_is_refused():
    with serving(FakeEngine()) as model_kernel:
        client = model_kernel.client()
        data = client.upload([b'{"text": "a fox"}\n']).digest
        with pytest.raises(ModelNotFound):
            client.start_job(JobRequest(data=data, model="gpt2"))


def test_what_was_asked_is_there_to_look_at():
    engine = FakeEngine()
    with serving(engine) as model_kernel:
        until(begun(model_kernel.client()), StateChanged, state="succeeded")
    assert [type(each) for each in engine.asked] == [JobRequest]
