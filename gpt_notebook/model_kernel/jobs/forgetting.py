"""Deleting a job with what it has made."""

from __future__ import annotations

from gpt_notebook.errors import JobInUse
from gpt_notebook.model_kernel.adapters import managing
from gpt_notebook.model_kernel.jobs.recording import recording
from gpt_notebook.model_kernel.jobs.register import Job, Register


def forget(register: Register, job: Job) -> None:
    """Delete a job and the adapter or model that it has made; it is gone at once, or stays whole.

    Raises:
        JobNotFound: it is gone already.
        JobInUse: it runs, or another job goes on from what it has made.
    """
    with recording(register, job.directory) as record:
        if record is None:
            message = f"the job {job.spec.name} is in use: try again in a moment"
            raise JobInUse(message)
        managing.take_out(job.directory)
    managing.sweep(job.directory.home)
