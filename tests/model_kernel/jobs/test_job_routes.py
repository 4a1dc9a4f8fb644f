"""Jobs over HTTP: the whole way, with the real server and a fake engine."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import threading
import time

import pytest

from gpt_notebook.errors import DataNotFound, InvalidRequest, JobNotFound, PayloadTooLarge
from gpt_notebook.job_events import CommandDone, StateChanged
from gpt_notebook.job_protocol import (
    DATA_PATH,
    PATHS,
    CommandRequest,
    DeleteAdapterRequest,
    EvaluateRequest,
    EventsRequest,
    ExportRequest,
    ForgetRequest,
    JobOptions,
    JobRequest,
    PreviewRequest,
    RenameAdapterRequest,
)
from gpt_notebook.protocol import Done
from gpt_notebook.settings import Settings
from gpt_notebook.testing import FakeEngine, Gate, serving

LINES = [b'{"prompt": "A fox", "completion": " finds a key."}\n', b'{"text": "Once upon a time"}\n']


@pytest.fixture
def engine(tmp_path):
    return FakeEngine(gate=Gate(), home=tmp_path / "home")


@pytest.fixture
def served(engine):
    with serving(engine, unix=False, settings=Settings(max_body=2000)) as model_kernel:
        yield model_kernel


@pytest.fixture
def client(served):
    return served.client()


@pytest.fixture
def data(client):
    return client.upload(LINES).digest


def raw(served, **headers):
    """A connection on which data are being sent."""
    host = served.address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.putrequest("POST", DATA_PATH, skip_host="Host" in headers)
    sent = {"Authorization": f"Bearer {served.token}", "Content-Type": "application/jsonl", **headers}
    for name, value in sent.items():
        connection.putheader(name, value)
    return connection


def test_a_job_from_its_data_to_its_end(engine, client, data):
    started = client.start_job(JobRequest(data=data, name="fox"))
    assert (started.attached, started.job.name, started.job.state) == (False, "fox", "queued")
    events = client.job_events(EventsRequest(job="fox", follow=True))
    engine.gate.open()
    states = [each.state for each in events if isinstance(each, StateChanged)]
    assert states == ["queued", "running", "succeeded"]
    (job,) = client.jobs()
    assert (job.state, job.step, job.result) == ("succeeded", 4, "storyteller+fox")
    assert client.jobs(job=job.id) == client.jobs(job="fox") == [job]
    assert client.jobs(job="owl & fox") == []
    client.forget_job(ForgetRequest(job="fox"))
    assert client.jobs() == []


def test_the_status_tells_what_runs_and_what_waits(engine, client, data):
    for name in ("fox", "hare"):
        client.start_job(JobRequest(data=data, name=name))
    events = client.job_events(EventsRequest(job="fox", follow=True))
    assert any(isinstance(each, StateChanged) and each.state == "running" for each in events)
    events.close()
    engine.wait_until(lambda: len(engine.jobs.current()) == 2, timeout=5)
    status = client.status()
    assert [(each.name, each.position) for each in status.jobs][1] == ("hare", 1)
    assert "jobs fox hare" in repr(status)
    assert status.requests == ()


def test_a_command_goes_to_the_job(engine, client, data):
    client.start_job(JobRequest(data=data, name="fox"))
    number = client.command(CommandRequest(job="fox", command="learning_rate", value=0.5))
    events = client.job_events(EventsRequest(job="fox", follow=True))
    done = next(each for each in events if isinstance(each, CommandDone))
    assert (done.command_number, done.value, done.obeyed) == (number, 0.5, True)
    events.close()


def test_what_is_wrong_comes_back_as_what_it_is(client, data):
    with pytest.raises(JobNotFound):
        list(client.job_events(EventsRequest(job="nobody")))
    with pytest.raises(DataNotFound):
        client.start_job(JobRequest(data="0" * 64))
    with pytest.raises(InvalidRequest, match="line 2 is no JSON"):
        client.upload([LINES[0], b"nonsense\n"])


def test_preview_and_evaluation_are_asked_of_the_engine(engine, client, data):
    preview = client.preview(PreviewRequest(data=data))
    assert (preview.rows, preview.shown[0].text) == (2, "A fox finds a key.")
    assert preview.shown[0].counted == (False, False, True, True, True)
    engine.gate.open()
    rows = [each for each in client.evaluate(EvaluateRequest(data=data)) if not isinstance(each, Done)]
    assert [(each.row, each.tokens) for each in rows] == [(0, 3), (1, 4)]


def test_adapters_are_renamed_deleted_and_exported(engine, client, data):
    engine.gate.open()
    client.start_job(JobRequest(data=data, name="fox"))
    list(client.job_events(EventsRequest(job="fox", follow=True)))
    client.rename_adapter(RenameAdapterRequest(name="fox", new_name="vixen"))
    assert [each.name for each in client.jobs()] == ["vixen"]
    exported = list(client.export(ExportRequest(model="storyteller+vixen", directory="/nowhere")))
    assert exported[-2].directory == "/nowhere"
    client.delete_adapter(DeleteAdapterRequest(name="vixen"))
    assert client.jobs() == []


@pytest.mark.parametrize("path", [*PATHS.values(), DATA_PATH])
def test_every_path_is_there_and_asks_for_the_token(served, path):
    host = served.address.removeprefix("http://")
    for token, status in (("wrong", 401), (served.token, 400)):
        with contextlib.closing(http.client.HTTPConnection(host, timeout=10)) as connection:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            connection.request("POST", path, b"[", headers)
            assert connection.getresponse().status == status


def test_data_may_be_larger_than_any_other_body_but_not_than_their_own_limit(engine, tmp_path):
    lines = [json.dumps({"text": "fox " * 100}).encode() + b"\n"] * 100
    with serving(engine, settings=Settings(max_body=2000)) as model_kernel:
        assert model_kernel.client().upload(lines).rows == 100
    small = FakeEngine(home=tmp_path / "small", max_data=1000)
    with serving(small) as model_kernel, pytest.raises(PayloadTooLarge, match="GPT_NOTEBOOK_MAX_DATA"):
        model_kernel.client().upload(lines)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 400),
        ({"Origin": "http://a-page.example"}, 403),
        ({"Host": "rebound.example"}, 403),
    ],
)
def test_no_web_page_can_send_data(served, headers, status):
    connection = raw(served, **{"Content-Length": "2", **headers})
    with contextlib.closing(connection):
        connection.endheaders(b"{}")
        assert connection.getresponse().status == status


def test_a_client_that_vanishes_leaves_nothing(engine, served, tmp_path):
    connection = raw(served, **{"Content-Length": "4000000"})
    connection.endheaders()
    for _ in range(20):
        connection.send(LINES[1] * 4000)
    store = tmp_path / "home" / "jobs" / ".data"
    wait_until(lambda: any(store.glob(".tmp-*")))
    connection.close()
    wait_until(lambda: not any(store.iterdir()))


def wait_until(condition):
    """Wait for files, which send no event."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_data_that_are_sent_in_one_byte_pieces_are_the_same(served):
    data = b"".join(LINES)
    connection = raw(served, **{"Transfer-Encoding": "chunked"})
    with contextlib.closing(connection):
        connection.endheaders()
        for byte in data:
            connection.send(b"1\r\n%c\r\n" % byte)
        connection.send(b"0\r\n\r\n")
        answer = json.loads(connection.getresponse().read())
    assert answer == {"digest": hashlib.sha256(data).hexdigest(), "rows": 2, "bytes": len(data)}


def test_whoever_follows_may_leave_and_come_back(engine, client, data):
    client.start_job(JobRequest(data=data, name="fox", options=JobOptions(max_steps=3)))
    events = client.job_events(EventsRequest(job="fox", follow=True))
    next(events)
    events.close()
    engine.gate.open()
    *_, last, done = client.job_events(EventsRequest(job="fox", follow=True))
    assert (last.state, last.step, done) == ("succeeded", 3, Done())
