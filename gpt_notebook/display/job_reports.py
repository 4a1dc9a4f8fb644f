"""How fine-tuning jobs look: one with its state and how to use what it has made, all of them, several side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from gpt_notebook.display.quantities import counted, duration, size
from gpt_notebook.display.reports import Report, Table, queued_text
from gpt_notebook.job_protocol import ENDED, CheckpointInfo, Estimate, JobInfo
from gpt_notebook.next_action import NextAction, Spelling, Verb

BAR = 20
"""Characters of the bar that shows how far a job is."""
SHOWN_STEPS = 6
"""Checkpoints that are named."""

REASONS = {
    "user": "",
    "stopped": "stopped, and kept",
    "early_stopping": "stopped early: no better validation came",
    "disk_full": "the disk is full",
    "oom": "out of memory",
    "died": "its process has died",
    "not_finite": "its loss is no number any more",
    "error": "an error",
    "forgotten": "deleted",
}
"""In words why a job is in its state."""
_TITLES = {"seconds": "time"}
"""What properties are called whose cells have a unit of their own."""


def job_report(info: JobInfo, *, spelling: Spelling = NextAction.call) -> Report:
    """Say how a job is, how to use what it has made, and what can be done with it, as a front end spells it."""
    method = "LoRA" if info.options.method == "lora" else "all weights"
    facts = [
        ("job", f"{info.name} · {method} on {info.model}"),
        ("state", state_text(info, at=_now(info))),
        ("step", step_text(info)),
    ]
    if info.learning_rate is not None and info.state not in ENDED:
        facts.append(("learning rate", f"{info.learning_rate:.3g}"))
    if losses := losses_text(info):
        facts.append(("loss", losses))
    if info.checkpoints:
        facts.append(("checkpoints", _checkpoints(info.checkpoints)))
    if info.result is not None:
        facts.append(("use it", use_text(info.result, best=_best_of(info))))
    return Report((Table(("", ""), facts),), _next(info, spelling))


def deleted_report(info: JobInfo) -> Report:
    """Say of a job that it has been deleted; `info` is how it was."""
    return Report((Table(("", ""), [("job", info.name), ("state", REASONS["forgotten"])]),))


def jobs_report(infos: Sequence[JobInfo], *, spelling: Spelling = NextAction.call) -> Report:
    """Say which jobs there are, and how a front end shows one."""
    if not infos:
        return Report(line=f"no job yet: {spelling(NextAction('finetune'))} starts one")
    rows = [
        (
            each.name,
            short_state(each),
            step_text(each, bar=False),
            number(each.loss),
            number(each.validation_loss),
            each.model,
            each.result or "",
        )
        for each in infos
    ]
    columns = ("job", "state", "step", "loss", "validation", "model", "use it as")
    line = f"{_as_of(infos)}{spelling(NextAction('show'))} is one of them"
    return Report((Table(columns, rows, numeric=frozenset({3, 4})),), line)


def comparison_report(rows: Sequence[dict[str, Any]]) -> Report:
    """Show jobs side by side: a row for each property, a column for each job."""
    if not rows:
        return Report(line="no job to compare")
    names = [name for name in rows[0] if name != "job"]
    lines = [(_TITLES.get(name, name.replace("_", " ")), *(_cell(name, row[name]) for row in rows)) for name in names]
    columns = ("", *(str(row["job"]) for row in rows))
    return Report((Table(columns, lines, numeric=frozenset(range(1, len(columns)))),))


def use_text(result: str, *, best: str | None) -> str:
    """Return the line that uses what a job has made, and the one for its best where that is another."""
    return f"%%gpt -m {result}" + (f" · the best: %%gpt -m {best}" if best else "")


def made(info: JobInfo) -> str:
    """Return what a job has made, in words."""
    return f"the {'adapter' if info.options.method == 'lora' else 'model'} {info.name}"


def state_text(info: JobInfo, *, at: str = "") -> str:
    """Return a job's state in words, with its reason and how long it will still take.

    Args:
        info: The job.
        at: The time at which this is true, where it soon is no more.
    """
    # A message tells the reason, and more.
    parts = [info.state if info.message and info.reason else short_state(info)]
    if at:
        parts.append(f"at {at}")
    if info.state == "running" and info.seconds_left is not None:
        parts.append(f"about {duration(info.seconds_left)} left")
    if info.state == "running" and info.tokens_per_second:
        parts.append(f"{info.tokens_per_second:,.0f} tokens/s")
    if info.message:
        parts.append(info.message)
    return " · ".join(parts)


def short_state(info: JobInfo) -> str:
    """Return a job's state in a few words."""
    if info.state == "queued":
        return queued_text(info.position, has_process=info.pid is not None)
    reason = REASONS.get(info.reason or "", "")
    return f"{info.state} ({reason})" if reason else info.state


def step_text(info: JobInfo, *, bar: bool = True) -> str:
    """Return how far a job is."""
    # Before it begins, a job knows only what it was asked for.
    steps = info.options.max_steps if info.max_steps is None else info.max_steps
    if steps is None:
        return f"{info.step:,}"
    text = f"{info.step:,} of {steps:,}"
    if not bar:
        return text
    filled = min(BAR, BAR * info.step // max(1, steps))
    return f"{'█' * filled}{'░' * (BAR - filled)} {text}" + (f" · epoch {info.epoch:.3g}" if info.epoch else "")


def losses_text(info: JobInfo) -> str:
    """Return the losses of a job as far as there are any."""
    parts = [number(info.loss)]
    if info.validation_loss is not None:
        parts.append(f"validation {number(info.validation_loss)}")
    if info.best_step is not None:
        parts.append(f"best at step {info.best_step:,}")
    return " · ".join(part for part in parts if part)


def estimate_text(estimate: Estimate) -> str:
    """Return what a job takes: memory, steps and time."""
    memory = f"about {size(estimate.bytes)} of memory"
    memory += f", of which {size(estimate.free)} is free" if estimate.bytes > estimate.free else ""
    return f"{memory}; {counted(estimate.steps, 'step')}, about {duration(max(1.0, estimate.seconds))}"


def number(value: float | None) -> str:
    """Return a loss, or "" where there is none."""
    return "" if value is None else f"{value:.4g}"


def _checkpoints(found: Sequence[CheckpointInfo]) -> str:
    newest = [f"{each.step:,}{' (best)' if each.best else ''}" for each in found[-SHOWN_STEPS:]]
    if len(found) > SHOWN_STEPS:
        newest.insert(0, "…")
        newest[1:1] = [f"{each.step:,} (best)" for each in found[:-SHOWN_STEPS] if each.best]
    return f"{', '.join(newest)} · {size(sum(each.bytes for each in found))}"


def _now(info: JobInfo) -> str:
    """Return the time, for a job that will soon be different; a notebook keeps what it shows."""
    return "" if info.state == "paused" or info.state in ENDED else time.strftime("%H:%M")


def _as_of(infos: Sequence[JobInfo]) -> str:
    now = next(filter(None, map(_now, infos)), "")
    return f"at {now}; " if now else ""


def _best_of(info: JobInfo) -> str | None:
    """Return the model string of the best checkpoint; None where that is the newest, or only the newest can be used."""
    if info.options.method != "lora" or not info.checkpoints:
        return None
    newest = max(info.checkpoints, key=lambda each: each.step)
    return f"{info.result}:best" if not newest.best and any(each.best for each in info.checkpoints) else None


def _next(info: JobInfo, spelling: Spelling) -> str:
    """Say what can be done with a job in its state."""

    def spelled(verb: Verb) -> str:
        return spelling(NextAction(verb, info.name))

    if info.state == "paused":
        return f"{spelled('resume')} goes on, {spelled('stop')} ends it with what there is"
    if info.state in ENDED:
        return "" if info.state == "succeeded" else f"its log: {info.directory}/log.txt"
    return f"{spelled('wait')} waits for it, {spelled('pause')} gives its memory back, {spelled('stop')} ends it with what there is"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "seconds":
        return duration(value)
    if name == "accuracy":
        return f"{100 * value:.1f} %"
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)
