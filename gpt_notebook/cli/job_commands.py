"""Fine-tuning from a terminal: starting a job, seeing how jobs are, telling them something."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from gpt_notebook.cli import command_line, job_arguments
from gpt_notebook.errors import InvalidRequest, WaitInterrupted

if TYPE_CHECKING:
    from gpt_notebook.fine_tuning.job import Job


def finetune(parsed: argparse.Namespace) -> int:
    """Start a job, or show what it would be trained on."""
    from gpt_notebook.fine_tuning import functions as finetuning

    options = _options(vars(parsed))
    wait, preview = options.pop("wait", False), options.pop("preview", False)
    if preview:
        for name in ("name", "force"):
            options.pop(name, None)
    try:
        if preview:
            print(finetuning.preview(**options))
            return 0
        job = finetuning.finetune(**options)
    except InvalidRequest as error:
        if not _is_about_an_option(error, options):
            raise
        command_line.refuse_value("finetune", error)
    return _wait(job) if wait else 0


def jobs(parsed: argparse.Namespace) -> int:
    """List the jobs, show one, or tell it something."""
    from gpt_notebook.cli.commands import FAILED
    from gpt_notebook.display import job_reports
    from gpt_notebook.fine_tuning import functions as finetuning
    from gpt_notebook.fine_tuning import records as job_records

    if parsed.force and parsed.action != "delete":
        command_line.refuse("jobs", "--force goes with delete, which asks first without it")
    if parsed.job is None:
        print(job_reports.jobs_report(job_records.infos(), spelling=command_line.spelled).text())
        return 0
    job = finetuning.job(parsed.job)
    if parsed.action == "wait":
        return _wait(job)
    if parsed.action == "delete":
        return 0 if job.delete(force=parsed.force) else FAILED
    if parsed.action is not None:
        getattr(job, parsed.action)()
    return _shown(job)


def _wait(job: Job) -> int:
    from gpt_notebook.cli.commands import INTERRUPTED

    try:
        job.wait()
    except WaitInterrupted:
        print(f"{job.name} goes on:  gpt-notebook jobs {job.name}")
        return INTERRUPTED
    return _shown(job)


def _shown(job: Job) -> int:
    from gpt_notebook.display import job_reports

    print(job_reports.job_report(job.status, spelling=command_line.spelled).text())
    return 0


def _is_about_an_option(error: InvalidRequest, options: dict[str, Any]) -> bool:
    """Whether an option's value makes no sense, rather than what is in a file."""
    option = (error.param or "").partition(".")[0]
    is_file = option == "data" or (option == "validation" and isinstance(options.get(option), str))
    return option in options and not is_file


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `gpt.finetune`."""
    options = {name: value for name, value in given.items() if name not in ("command", "version")}
    data = options["data"]
    options["data"] = data[0] if len(data) == 1 else data
    names = (*job_arguments.LORA, "targets")
    if lora := {name: options.pop(f"lora_{name}") for name in names if f"lora_{name}" in options}:
        options["lora"] = lora
    if "training_arguments" in options:
        options["training_arguments"] = dict(options["training_arguments"])
    if "validation" in options:
        options["validation"] = _share_or_file(options["validation"])
    return options


def _share_or_file(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
