"""`gpt.finetune` and what goes with it: a preview of the data, and the jobs there are."""

from __future__ import annotations

import contextlib
from typing import Any, Unpack

from gpt_notebook import arguments
from gpt_notebook.data.preview import Preview
from gpt_notebook.display import job_reports, progress
from gpt_notebook.errors import GptNotebookError, JobNotFound
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.fine_tuning.asked import Asked
from gpt_notebook.fine_tuning.job import Job
from gpt_notebook.fine_tuning.options import Options
from gpt_notebook.job_events import StateChanged
from gpt_notebook.job_protocol import ENDED, Estimate, JobInfo, JobStarted, JobState, check_name
from gpt_notebook.session import Model

LONG_SECONDS = 60.0
MUCH_MEMORY = 10**9
"""From these on an estimate is worth a line."""
EARLIER: dict[JobState, str] = {
    "queued": "waited",
    "running": "lost its process",
    "paused": "paused",
    "succeeded": "come to its end",
    "failed": "failed",
    "cancelled": "been cancelled",
}
"""How a job was, after "it had"."""


def finetune(
    data: Any,
    *,
    model: Model = None,
    name: str | None = None,
    validation: Any = None,
    text: str | None = None,
    prompt: str | None = None,
    completion: str | None = None,
    messages: str | None = None,
    force: bool = False,
    **options: Unpack[Options],
) -> Job:
    r"""Train a model on data, in a process of its own that survives the notebook and the model kernel.

        job = gpt.finetune(reviews, prompt="Review: {text}\nSentiment:", completion=" {label}", name="critic")

    Starting the same again attaches to the job that is there, and goes on where its process has died.

    Args:
        data: A DataFrame, a list of texts, of dicts or of chats, a dict of columns, a datasets.Dataset, the path of a file
            (.jsonl, .json, .csv, .tsv, .parquet, .txt) or a list of paths. Columns called `text`, `prompt` and `completion`,
            or `messages` are taken for what they say; a line tells what was chosen of others.
        model: What to begin with, a model string; None is the default one. With an adapter it goes on from that one.
        name: What the job is called and its adapter, used as `model+name`; None: a new name, or the job of the same data
            and options.
        validation: Data of the same kinds, or a share of the data such as 0.1.
        text: The column of texts to learn, or a template such as `"{title}: {body}"`.
        prompt: Likewise, of what is given and not learnt.
        completion: Likewise, of what is to be learnt after the prompt.
        messages: The column of chats, of which the assistant's messages are learnt.
        force: Whether a job of this name goes on with other data or options than it was begun with.
        **options: The fields of `JobOptions`, such as `epochs`, `max_steps`, `learning_rate`, `batch_size`, `lora={"rank": 16}`,
            `method="full"`, `probes=["Once upon a time"]`; None leaves the choice to the job.

    Returns:
        The job, which runs or waits for its turn. `job.wait()` waits for it.

    Raises:
        InvalidRequest: data, a column, an option or the name make no sense; says what was probably meant.
        JobDiffers: there is a job of this name with other data or options; says which.
    """
    columns = {"text": text, "prompt": prompt, "completion": completion, "messages": messages}
    if name is not None:
        check_name(arguments.string("name", name))
    arguments.true_or_false("force", force)
    asked = Asked.of(data, validation, columns, model, options)
    sent = asked.send()
    estimate = None if name is not None and _is_there(name) else asked.preview(sent, samples=0).estimate
    started = asked.start(sent, name=name, force=force)
    for line in _lines(started, estimate):
        progress.note(line)
    return Job(started.job)


def preview(
    data: Any,
    *,
    model: Model = None,
    validation: Any = None,
    samples: int = 3,
    text: str | None = None,
    prompt: str | None = None,
    completion: str | None = None,
    messages: str | None = None,
    **options: Unpack[Options],
) -> Preview:
    """Return what a model would see of data: exact strings, tokens, which of them count, what would be cut, what it takes.

    Args:
        data: As for `finetune`.
        model: A model string; None is the default one.
        validation: As for `finetune`.
        samples: How many samples to show whole.
        text: As for `finetune`.
        prompt: As for `finetune`.
        completion: As for `finetune`.
        messages: As for `finetune`.
        **options: As for `finetune`; `max_length` and `too_long` say what becomes of long rows.

    Raises:
        InvalidRequest: data, a column or an option make no sense; says what was probably meant.
    """
    columns = {"text": text, "prompt": prompt, "completion": completion, "messages": messages}
    samples = arguments.whole_number("samples", samples)
    asked = Asked.of(data, validation, columns, model, options)
    return Preview.of(asked.preview(asked.send(warn=False), samples=samples))


class Jobs(list[Job]):
    """Some jobs, which show themselves as a table."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        known = {info.id: info for info in job_records.infos()}
        report = job_reports.jobs_report([known[job.id] for job in self if job.id in known])
        return {"text/plain": report.text(), "text/html": report.html()}


def jobs() -> Jobs:
    """Return the jobs there are, also those of other notebooks, the newest first; starts no model kernel."""
    return Jobs(map(Job, job_records.infos()))


def job(name: str) -> Job:
    """Return the job of a name; starts no model kernel.

    Raises:
        JobNotFound: there is none; says which was probably meant.
    """
    return Job(job_records.find(arguments.string("name", name)))


def delete_job(name: str, *, force: bool = False) -> bool:
    """Delete a job, of whatever state unless it runs, with its checkpoints and the adapter or the model that it has made.

    Args:
        name: The job's.
        force: Whether not to ask first.

    Returns:
        Whether it was deleted: False where the answer was no.

    Raises:
        InvalidRequest: nobody can be asked here, and `force` is off.
        JobNotFound: there is none; says which was probably meant.
        JobInUse: it runs, or another goes on from what it has made.
        ModelInUse: requests are using what it has made.
    """
    return job(name).delete(force=force)


def _is_there(name: str) -> bool:
    try:
        job_records.find(name)
    except JobNotFound:
        return False
    return True


def _lines(started: JobStarted, estimate: Estimate | None) -> list[str]:
    """Say in a line or two what has become of a call."""
    info = started.job
    lines = [_started_line(started, _came_from(info) if started.resumed else "")]
    if estimate is not None and not started.attached:
        is_tight = estimate.bytes > estimate.free
        if is_tight or estimate.bytes >= MUCH_MEMORY or estimate.seconds >= LONG_SECONDS:
            line = f"{info.name} takes {job_reports.estimate_text(estimate)}"
            lines.append(line + ("; where that isn't enough it takes fewer samples at a time" if is_tight else ""))
    return lines


def _came_from(info: JobInfo) -> str:
    """Return in words how a job was before it was queued again; "" where its events don't tell."""
    states: list[StateChanged] = []
    with contextlib.suppress(GptNotebookError):
        states = [
            event for event in job_records.Record(info.id, name=info.name).refresh() if isinstance(event, StateChanged)
        ]
    queued = max((place for place, event in enumerate(states) if event.state == "queued"), default=0)
    if not queued:
        return ""
    before = states[queued - 1]
    if before.reason == "died":
        return ": its process had died"
    reason = job_reports.REASONS.get(before.reason or "", "")
    return f": it had {EARLIER[before.state]}{f' ({reason})' if reason else ''}"


def _started_line(started: JobStarted, came_from: str) -> str:
    info = started.job
    steps = job_reports.step_text(info, bar=False)
    if started.resumed:
        return f"{info.name} goes on at step {info.step:,}{came_from}"
    if not started.attached:
        where = job_reports.short_state(info) if info.position else "started"
        return f"{info.name}: {where}, {'LoRA' if info.options.method == 'lora' else 'all weights'} of {info.model}"
    if info.state == "paused":
        return f"{info.name} is there, {job_reports.state_text(info)}, step {steps}: resume goes on"
    if info.state in ENDED:
        use = f", use it as {info.result}" if info.result else ""
        return f"{info.name} is there, {job_reports.state_text(info)}, step {steps}{use}; another name trains anew"
    return f"{info.name} is there, {job_reports.short_state(info)}, step {steps}"
