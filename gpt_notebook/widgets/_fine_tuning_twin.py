"""The static twin of a fine-tuning panel: HTML with drawn curves, for wherever a notebook is opened without a kernel.

No script and no request; every text of a model or of somebody's data is escaped. Its colours stand out from light and from
dark pages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gpt_notebook.display import completion_html, job_reports
from gpt_notebook.display.reports import Table
from gpt_notebook.figures.chart import drawing
from gpt_notebook.figures.training_curves import chart
from gpt_notebook.fine_tuning.curve import Curve
from gpt_notebook.fine_tuning.drawn import drawn
from gpt_notebook.fine_tuning.marks import Mark
from gpt_notebook.job_protocol import JobInfo, JobOptions

WIDTH = 520
"""Pixels of the picture, which is made smaller where there is less room."""
MAX_ROUNDS = 4
"""Rounds of probes that are shown: the first, the last, and some between."""
MAX_SETTING = 200
"""Characters of a setting."""
EXAMPLE = 'gpt.FineTuningPanel("stories.jsonl", name="my-voice", validation=0.1, probes=["Once upon a time"])'


def job_twin(info: JobInfo, curve: Curve, *, gone: str | None) -> str:
    """Return the twin of a job; `gone` says why it is there no more."""
    report = job_reports.job_report(info)
    body = "".join(table.html() for table in report.tables)
    if len(curve):
        title = f"loss of each step and of the validations of {info.name}"
        picture = drawing(chart(drawn(curve, info), width=WIDTH))
        body += f'<div role="img" aria-label="{escape(title)}">{picture}</div>'
    if curve.probes:
        body += _probes(curve.probes)
    body += _settings(info)
    notices = [gone] if gone else []
    return completion_html.page(body, notices=notices, footer=_footer(curve))


def form_twin(form: Mapping[str, Any]) -> str:
    """Return the twin of a panel without a job: what is filled in, and an example."""
    rows = [(name.replace("_", " "), _value(value)) for name, value in form.items() if value not in (None, "", [])]
    table = Table(("", ""), rows).html() if rows else ""
    words = completion_html.block("No job yet: run the cell in a notebook to preview the data and to begin, or write")
    return completion_html.page(table + words + completion_html.code(EXAMPLE))


def _probes(probes: Sequence[Mark]) -> str:
    """Return what became of each prompt, round by round: below each other, as a page may be narrow."""
    shown = _spread(sorted({each["step"] for each in probes}), MAX_ROUNDS)
    texts = {(each["step"], each["index"]): each["text"] for each in probes}
    prompts = {each["index"]: each["prompt"] for each in probes}
    parts = []
    for index, prompt in sorted(prompts.items()):
        rows = [(f"step {step:,}", texts.get((step, index), "")) for step in shown]
        parts.append(Table(("", ""), rows, f"probe: {prompt}", numeric=frozenset({0})).html())
    return "".join(parts)


def _settings(info: JobInfo) -> str:
    """Return the options that were asked for, and what the job chose where nobody did."""
    usual, options = (dataclasses.asdict(each) for each in (JobOptions(), info.options))
    asked = {name: value for name, value in options.items() if value != usual[name]}
    chosen = {name: value for name, value in info.chosen.items() if value is not None}
    found = {"method": info.options.method, **info.columns, **asked, **chosen, "seed": info.options.seed}
    rows = [(name.replace("_", " "), _value(value)) for name, value in found.items()]
    return Table(("", ""), rows, "settings").html()


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        text = ", ".join(f"{name} {_value(each)}" for name, each in value.items() if each is not None)
    elif isinstance(value, list | tuple):
        text = ", ".join(map(str, value))
    elif isinstance(value, float):
        text = f"{value:.6g}"
    else:
        text = str(value)
    return text if len(text) <= MAX_SETTING else f"{text[: MAX_SETTING - 1]}…"


def _spread(steps: Sequence[int], most: int) -> list[int]:
    """Return at most so many steps: the first, the last, and some evenly between them."""
    if len(steps) <= most:
        return list(steps)
    return [steps[round(number * (len(steps) - 1) / (most - 1))] for number in range(most)]


def _footer(curve: Curve) -> str:
    said = [f"{curve.omitted:,} marks and probes of a long history are left out"] if curve.omitted else []
    return " · ".join([*said, "run its cell in the notebook to watch and to steer it"])
