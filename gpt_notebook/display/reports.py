"""Readable reports of what the model kernel holds and does, for `%gpt status`, `%gpt models` and whoever waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpt_notebook.display import completion_html
from gpt_notebook.display.quantities import counted, duration, size
from gpt_notebook.protocol import AdapterInfo, ModelInfo, Progress, RequestInfo, RunningJob, Status
from gpt_notebook.visible_text import visible

MEGABYTE = 10**6
REQUESTS_SHOWN = 8
"""Requests that have a line each; more are told together by model and state, with the time of the one that takes longest."""
DIGEST_SHOWN = 12
"""How many characters of a digest are enough to tell adapters apart."""


@dataclass(frozen=True)
class Table:
    """Rows under columns; a title above; the columns in `numeric` are set to the right."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    title: str = ""
    numeric: frozenset[int] = frozenset()

    def text(self) -> str:
        """Return the table as aligned lines."""
        lines = [self.columns, *self.rows] if any(self.columns) else list(self.rows)
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        body = [
            "  ".join(self._aligned(i, value, widths[i]) for i, value in enumerate(line)).rstrip() for line in lines
        ]
        return "\n".join([self.title, *body] if self.title else body)

    def html(self) -> str:
        """Return the table as HTML."""
        title = completion_html.heading(self.title) if self.title else ""
        return title + completion_html.table(self.columns, self.rows, numeric=self.numeric)

    def _aligned(self, index: int, value: str, width: int) -> str:
        return value.rjust(width) if index in self.numeric else value.ljust(width)


@dataclass(frozen=True)
class Report:
    """Some tables, or one line."""

    tables: tuple[Table, ...] = ()
    line: str = ""

    def text(self) -> str:
        """Return the report as plain text, in which what others wrote can steer no terminal."""
        return visible("\n\n".join(part for part in (*(each.text() for each in self.tables), self.line) if part))

    def html(self) -> str:
        """Return the report as HTML."""
        return completion_html.page("".join(each.html() for each in self.tables), footer=self.line)


def status_report(status: Status, default_model: str) -> Report:
    """Say who the model kernel is, what it holds and what it does."""
    if status.state == "stopped":
        return Report(line="no model kernel is running; the next %%gpt cell starts one")
    rest = (
        f"leaves after {duration(status.idle_timeout)} without work" if status.idle_timeout else "stays until shut down"
    )
    facts = [
        ("model kernel", f"{status.state} · pid {status.pid} · version {status.version}"),
        ("address", status.address),
        ("environment", status.prefix),
        ("up for", f"{duration(status.uptime)} · {rest}"),
        ("default model", default_model),
    ]
    if status.memory:
        memory = status.memory
        held = f"{size(memory.weights + memory.packed + memory.adapters)} of {size(memory.budget)} for weights on {memory.device}"
        kinds = ((memory.packed, "packed copies"), (memory.adapters, "adapters"))
        parts = [f"{size(taken)} of them {what}" for taken, what in kinds if taken]
        facts.append(("memory", " · ".join((held, *parts, f"process {size(memory.process)}"))))
        if memory.running or memory.prefixes:
            running = (
                f"{size(memory.running)} {'of running texts' if status.requests else 'held ready for the next text'}"
            )
            kept = f"{running}, {size(memory.prefixes)} of earlier ones"
            facts.append(("caches", f"{kept} · at most {size(memory.caches_budget)}"))
        if status.memory.captures:
            kept = f"{size(status.memory.captures)} of {size(status.memory.captures_budget)}"
            facts.append(("attention", f"{kept} for what has been recorded"))
    if not status.models:
        facts.append(("loaded", "no model yet"))
    if not status.requests:
        facts.append(("running", "no request"))
    tables = [Table(("", ""), facts)]
    if status.models:
        tables.append(_loaded(status.models))
    if status.requests:
        tables.append(_running(status.requests))
    if status.jobs:
        tables.append(_jobs(status.jobs))
    return Report(tuple(tables))


def models_report(models: Sequence[ModelInfo], default_model: str) -> Report:
    """Say which models there are, those that are loaded first."""
    rows = [
        (
            each.name + (" (default)" if each.name == default_model else ""),
            "loaded" if each.loaded else "",
            size(each.bytes) if each.bytes else "",
            f"{each.context_length:,}" if each.context_length else "",
            "yes" if each.chat_template else "",
            each.source,
        )
        for each in sorted(models, key=lambda each: not each.loaded)
    ]
    columns = ("model", "state", "size", "context", "chat", "source")
    line = "any Hugging Face causal language model works too, by its id or the path of its directory"
    return Report((Table(columns, rows, numeric=frozenset({2, 3})),), line)


def adapters_report(adapters: Sequence[AdapterInfo]) -> Report:
    """Say which adapters there are, those that are loaded first."""
    if not adapters:
        return Report(line="no adapter yet: %gpt load MODEL+PATH --name NAME keeps one that peft has saved")
    rows = [
        (
            each.name,
            f"loaded on {', '.join(each.models)}" if each.loaded else each.problem or "",
            str(each.rank or ""),
            f"{each.parameters:,}" if each.parameters else "",
            size(each.bytes) if each.bytes else "",
            _steps(each),
            each.digest[:DIGEST_SHOWN],
            each.base,
        )
        for each in sorted(adapters, key=lambda each: not each.loaded)
    ]
    columns = ("adapter", "state", "rank", "parameters", "size", "steps", "digest", "trained on")
    line = "use one as MODEL+ADAPTER, or with %%gpt -a ADAPTER"
    return Report((Table(columns, rows, numeric=frozenset({2, 3, 4})),), line)


def _steps(adapter: AdapterInfo) -> str:
    if not adapter.steps:
        return ""
    shown = f"{adapter.steps[0]} … {adapter.steps[-1]}" if len(adapter.steps) > 1 else str(adapter.steps[0])
    return shown if adapter.best is None else f"{shown}, best {adapter.best}"


def loaded_line(model: ModelInfo) -> str:
    """Say in one line what has been loaded."""
    parts = (
        f"{model.name} is loaded",
        size(model.bytes),
        model.dtype,
        model.device,
        f"context {model.context_length:,}",
    )
    return " · ".join(part for part in parts if part)


def progress_report(event: Progress) -> tuple[str, float | None]:
    """Say in one line what is going on and how much, and give the fraction that is done where it is known."""
    if event.stage == "starting":
        return "starting the model kernel…", None
    if event.stage == "queued":
        known = f"{counted(event.done, 'request')} ahead" if event.done else "the model kernel has too many requests"
        return f"waiting: {known}", None
    if event.stage == "recording":
        return f"reading: {event.done:,} of {event.total:,} tokens", event.done / max(1, event.total)
    if event.stage == "computing":
        return "computing…", event.done / max(1, event.total)
    doing = "downloading" if event.stage == "downloading" else "loading"
    if not event.total:
        return f"{doing} {event.model}…", None
    # One unit for both, so that the line doesn't jump while it counts.
    amount = f"{event.done / MEGABYTE:.0f} of {event.total / MEGABYTE:.0f} MB"
    return f"{doing} {event.model}: {amount}", min(1.0, event.done / event.total)


def _loaded(models: Sequence[ModelInfo]) -> Table:
    rows = [
        (
            each.name,
            each.architecture,
            each.dtype,
            each.device,
            size(each.bytes),
            f"{each.context_length:,}",
            counted(each.in_use, "request") if each.in_use else f"idle {duration(each.idle_seconds)}",
        )
        for each in models
    ]
    columns = ("model", "architecture", "dtype", "device", "size", "context", "use")
    return Table(columns, rows, "loaded models", frozenset({4, 5}))


def _running(requests: Sequence[RequestInfo]) -> Table:
    groups: dict[tuple[str, ...], list[RequestInfo]] = {}
    for each in requests:
        alone = () if len(requests) > REQUESTS_SHOWN else (each.id,)
        groups.setdefault((each.model, each.state, *alone), []).append(each)
    rows = [
        (
            group[0].id if len(group) == 1 else counted(len(group), "request"),
            group[0].model,
            group[0].state,
            f"{sum(each.prompt_tokens for each in group):,}",
            f"{sum(each.generated_tokens for each in group):,}",
            f"{max(each.seconds for each in group):.1f} s",
        )
        for group in groups.values()
    ]
    columns = ("request", "model", "state", "prompt tokens", "generated tokens", "time")
    return Table(columns, rows, "requests", frozenset({3, 4, 5}))


def queued_text(position: int | None, *, has_process: bool) -> str:
    """Return how a job waits that is queued.

    Args:
        position: How many jobs come before it; None where it waits no more, or nobody knows.
        has_process: Whether a process has it already, which has not yet said that it runs.
    """
    if position:
        return f"queued, {counted(position, 'job')} before it"
    return "starting" if has_process or position == 0 else "queued"


def _jobs(jobs: Sequence[RunningJob]) -> Table:
    rows = [
        (
            each.name,
            queued_text(each.position, has_process=each.position is None) if each.state == "queued" else each.state,
            f"{each.step:,}" if each.max_steps is None else f"{each.step:,} of {each.max_steps:,}",
        )
        for each in jobs
    ]
    return Table(("job", "state", "step"), rows, "fine-tuning jobs", frozenset({2}))
