"""Whether a job's data are those that its job.json tells of: a death between two files may have changed one of them alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.disk import opened
from gpt_notebook.job_protocol import JobRequest


def differing(directory: JobDirectory, request: JobRequest) -> list[Path]:
    """Return those of a job's files of data that are not what is asked for, also one that should not be there, or should.

    Raises:
        OSError: one can't be read.
    """
    asked = {directory.data: request.data, directory.validation: request.validation}
    return [path for path, digest in asked.items() if _digest(path) != digest]


def _digest(path: Path) -> str | None:
    """Return the sha256 of a file; None where there is none."""
    try:
        with opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
