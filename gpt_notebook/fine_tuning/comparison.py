"""`gpt.compare_jobs`: jobs side by side, with the options in which they differ and what came of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from gpt_notebook.display import job_reports
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.fine_tuning.functions import job, jobs
from gpt_notebook.fine_tuning.job import Job
from gpt_notebook.job_events import StepDone, Validated
from gpt_notebook.job_files import history
from gpt_notebook.job_protocol import JobInfo


class Comparison(list[dict[str, Any]]):
    """Jobs side by side, a dict each; shows itself as a table, and pandas.DataFrame takes it."""

    def __str__(self) -> str:
        return job_reports.comparison_report(self).text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        return {"text/plain": str(self), "text/html": job_reports.comparison_report(self).html()}


def compare_jobs(*which: Job | str | Iterable[Job | str]) -> Comparison:
    """Return jobs side by side: the options in which they differ, steps, the best validation and the time they took.

    Args:
        *which: Jobs, or their names; none: all there are.

    Returns:
        A dict for each job: its name, its state and its model, the options that differ, `steps`, the `loss` of the last one
        and the best validation's `best_step`, `validation_loss` (both in nats a token), `perplexity` and `accuracy`, and
        the `seconds` that its steps took.

    Raises:
        InvalidRequest: something is neither a job nor a name.
        JobNotFound: there is no job of a name; says which was probably meant.
    """
    found = _found(which) if which else jobs()
    known = [(each, each.status) for each in found]
    settings = [_settings(info) for _, info in known]
    differing = [key for key in dict.fromkeys(key for each in settings for key in each) if _differs(key, settings)]
    return Comparison(
        {
            "job": info.name,
            "state": job_reports.short_state(info),
            "model": info.model,
            **{key: setting.get(key) for key in differing},
            **_results(each, info),
        }
        for (each, info), setting in zip(known, settings, strict=True)
    )


def _found(which: Iterable[Job | str | Iterable[Job | str]]) -> list[Job]:
    """Return the jobs that are meant."""
    given: list[Any] = []
    for each in which:
        given += each if isinstance(each, Iterable) and not isinstance(each, str) else [each]
    if wrong := [each for each in given if not isinstance(each, Job | str)]:
        message = f"compare_jobs takes jobs or their names, not {type(wrong[0]).__name__}"
        raise InvalidRequest(message, param="which")
    return [job(each) if isinstance(each, str) else each for each in given]


def _settings(info: JobInfo) -> dict[str, Any]:
    """Return all options of a job, with what it chose itself."""
    flat: dict[str, Any] = {}
    for name, value in {**dataclasses.asdict(info.options), **info.chosen}.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": each for key, each in value.items()})
        else:
            flat[name] = value
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else value for name, value in flat.items()
    }


def _differs(key: str, settings: Sequence[dict[str, Any]]) -> bool:
    return any(each.get(key) != settings[0].get(key) for each in settings)


def _results(each: Job, info: JobInfo) -> dict[str, Any]:
    """Return what came of a job: its last loss, its best validation, and the time that its steps took."""
    events = history.counted(each.events())
    checked = [event for event in events if isinstance(event, Validated) and event.loss is not None]
    # Losses on other samples, from before those were forced on the job, can't be compared.
    checked = [event for event in checked if event.measured_on == checked[-1].measured_on]
    best = min(checked, key=attrgetter("loss"), default=None)
    return {
        "steps": info.step,
        "loss": info.loss,
        "best_step": best.step if best else None,
        "validation_loss": best.loss if best else None,
        "perplexity": best.perplexity if best else None,
        "accuracy": best.accuracy if best else None,
        "seconds": sum(event.seconds for event in events if isinstance(event, StepDone)),
    }
