"""Whether a job's data are those that its job.json tells of."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from job_samples import make_job

from gpt_notebook.job_files.data_digests import differing


@pytest.fixture
def job(tmp_path):
    directory = make_job(tmp_path)
    directory.data.write_bytes(b"{}\n")
    return directory


def asked(job, data, validation=None):
    digests = [None if each is None else hashlib.sha256(each).hexdigest() for each in (data, validation)]
    return dataclasses.replace(job.spec().request, data=digests[0], validation=digests[1])


def test_data_are_known_by_every_byte(job):
    assert differing(job, asked(job, b"{}\n")) == []
    assert differing(job, asked(job, b"{}")) == [job.data]


def test_data_that_are_missing_and_data_that_nobody_asked_for_differ(job):
    assert differing(job, asked(job, b"{}\n", b"{}\n")) == [job.validation]
    job.validation.write_bytes(b"{}\n")
    assert differing(job, asked(job, b"{}\n", b"{}\n")) == []
    assert differing(job, asked(job, b"{}\n")) == [job.validation]
