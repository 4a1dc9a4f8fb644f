"""What is different between a job as it was begun and what is asked for now, in words."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

from gpt_notebook.job_files.directory import JobSpec
from gpt_notebook.job_protocol import JobRequest

MOST_SHOWN = 60
"""Characters of a value."""


def differences(old: JobSpec, new: JobSpec, *, n_rows: Callable[[str], int | None] = lambda _: None) -> list[str]:
    """Return what differs, as "what old -> new"; empty when both are the same job.

    Args:
        old: The job as it was begun.
        new: What is asked for now.
        n_rows: Gives the number of rows of the data of a digest, None where nobody knows; asked only of data that differ.
    """
    return [
        *_data("data", old.request.data, new.request.data, n_rows),
        *_data("validation", old.request.validation, new.request.validation, n_rows),
        *(
            f"{name} {before} -> {after}"
            for (name, before), (_, after) in zip(_shown(old), _shown(new), strict=True)
            if before != after
        ),
        *_options(old.request, new.request),
    ]


def _data(what: str, old: str | None, new: str | None, n_rows: Callable[[str], int | None]) -> Iterator[str]:
    """Yield how data differ: their digests tell that they do, and the numbers of their rows often why."""
    if old != new:
        yield f"{what} {_digest(old, n_rows)} -> {_digest(new, n_rows)}"


def _digest(digest: str | None, n_rows: Callable[[str], int | None]) -> str:
    if digest is None:
        return "none"
    rows = n_rows(digest)
    return f"{digest[:12]}…" + ("" if rows is None else f" ({rows:,} row{'' if rows == 1 else 's'})")


def _shown(spec: JobSpec) -> Iterator[tuple[str, str]]:
    """Yield what a job is made of besides its data and options, as it is to be shown."""
    yield "model", spec.request.model
    yield "the model's files", spec.fingerprint[:16]
    yield "the adapter's files", (spec.adapter_digest or "none")[:16]


def _options(old: JobRequest, new: JobRequest) -> list[str]:
    before, after = (dict(_flat(dataclasses.asdict(request.options))) for request in (old, new))
    names = [*before, *(name for name in after if name not in before)]
    return [
        f"{name} {_written(before.get(name))} -> {_written(after.get(name))}"
        for name in names
        if _plain(before.get(name)) != _plain(after.get(name))
    ]


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + str(name), value


def _plain(value: Any) -> Any:
    """Return a value as it comes back from JSON."""
    return json.loads(json.dumps(value))


def _written(value: Any) -> str:
    """Return a value as one would give it: what is no choice at all is None in Python, and null only in JSON."""
    if value is None or isinstance(value, bool):
        return str(value)
    text = json.dumps(_plain(value), ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"
