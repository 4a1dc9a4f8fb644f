"""Sentences about a job: what would be gone if it were deleted, and why it has failed."""

from __future__ import annotations

from gpt_notebook.display import job_reports
from gpt_notebook.display.quantities import counted
from gpt_notebook.job_protocol import JobInfo


def deletion(info: JobInfo) -> str:
    """Return what to ask before a job is deleted, with all that would be gone."""
    kept = counted(len(info.checkpoints), "checkpoint") if info.checkpoints else ""
    what = f", its {kept} and {job_reports.made(info)}" if kept else ", which has no checkpoint"
    return f"Delete the job {info.name} ({info.state}){what}?"


def failure(info: JobInfo) -> str:
    """Return why a job has failed, and where to read more."""
    reason = info.message or job_reports.REASONS.get(info.reason or "", "") or "it gave no reason"
    kept = f"; {info.result} has what it had made" if info.result else ""
    return f"{info.name} failed at step {info.step}: {reason}{kept}; its log is {info.directory}/log.txt"
