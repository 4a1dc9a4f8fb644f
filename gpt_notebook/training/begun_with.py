"""Whether a job still has what it was begun with, looked at before anything is read of it: what trains is what job.json says."""

from __future__ import annotations

from pathlib import Path

from gpt_notebook.errors import JobError, ModelNotFound
from gpt_notebook.job_files import data_digests
from gpt_notebook.job_files.directory import JobDirectory, JobSpec

AGAIN = "start the job again with the same data and options to put that right"


def check(directory: JobDirectory, spec: JobSpec) -> None:
    """See that the data are those of the job, and that the files are there which it begins from.

    Raises:
        JobError: the data are others.
        ModelNotFound: the files have gone.
    """
    if differing := data_digests.differing(directory, spec.request):
        names = " and ".join(path.name for path in differing)
        message = f"{names} in {directory.path} is not what {directory.spec_file.name} says: {AGAIN}"
        raise JobError(message)
    for place in (spec.source, spec.adapter):
        if place is not None and not Path(place).is_dir():
            message = f"the files of {spec.request.model} are not in {place} any more: {AGAIN}"
            raise ModelNotFound(message)
