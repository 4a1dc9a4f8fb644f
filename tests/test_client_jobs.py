"""Uploads of any length, and questions about jobs: sent in pieces, answered as what they are."""

from __future__ import annotations

import pytest
from fake_jobs import INFO
from fake_model_kernel import TOKEN

from gpt_notebook.client import Client
from gpt_notebook.errors import InvalidRequest, PayloadTooLarge
from gpt_notebook.job_protocol import (
    DATA_PATH,
    DeleteAdapterRequest,
    Evaluated,
    EvaluateRequest,
    Exported,
    ExportRequest,
    ForgetRequest,
    RenameAdapterRequest,
)
from gpt_notebook.protocol import Done

DIGEST = "0" * 64


@pytest.fixture
def client(model_kernel, fake_jobs):
    return Client(model_kernel.address, TOKEN)


def test_data_go_in_pieces_as_they_come(client, model_kernel, fake_jobs):
    info = client.upload(iter([b'{"text":"a"}\n', b"", b'{"text":"b"}\n']))
    assert (info.rows, info.bytes) == (2, 26)
    assert fake_jobs.sent == ['{"text":"a"}\n{"text":"b"}\n']
    (headers,) = [headers for path, _, headers in model_kernel.calls if path == DATA_PATH]
    assert headers["Content-Type"] == "application/jsonl"
    assert "Content-Length" not in headers


def test_what_the_lines_raise_is_raised_and_the_upload_is_cut_off(client, fake_jobs):
    def lines():
        yield b'{"text":"a"}\n'
        message = "row 1 is empty"
        raise InvalidRequest(message)

    with pytest.raises(InvalidRequest, match="row 1 is empty"):
        client.upload(lines())
    assert fake_jobs.sent == []


def test_a_refusal_is_read_though_not_all_was_sent(client, model_kernel):
    model_kernel.answers[DATA_PATH] = {"error": {**PayloadTooLarge("too much").to_json(), "status": 413}}
    with pytest.raises(PayloadTooLarge, match="too much"):
        client.upload([b"x"] * 3)


def test_jobs_are_listed(client):
    assert client.jobs() == [INFO]


def test_a_model_is_evaluated_row_by_row(client, model_kernel):
    events = [Evaluated(row=0, loss=1.5, tokens=3, correct=1), Done()]
    model_kernel.scripts["/v1/evaluate"] = events
    assert list(client.evaluate(EvaluateRequest(data=DIGEST))) == events


def test_an_export_is_a_stream(client, model_kernel):
    events = [Exported(directory="/out", files=("a",), bytes=3), Done()]
    model_kernel.scripts["/v1/export"] = events
    assert list(client.export(ExportRequest(model="storyteller+pip", directory="/out"))) == events


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/v1/jobs/forget", lambda client: client.forget_job(ForgetRequest(job="pip"))),
        ("/v1/adapters/rename", lambda client: client.rename_adapter(RenameAdapterRequest(name="pip", new_name="pop"))),
        ("/v1/adapters/delete", lambda client: client.delete_adapter(DeleteAdapterRequest(name="pip", step=3))),
    ],
)
def test_what_has_no_answer(client, model_kernel, path, call):
    model_kernel.answers[path] = {}
    assert call(client) is None
    assert len(model_kernel.requests(path)) == 1
