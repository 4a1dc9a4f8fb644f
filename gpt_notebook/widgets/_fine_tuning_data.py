"""The data of a fine-tuning panel: looked at as a sample where they are many, and sent whole when the job begins."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gpt_notebook.data.sample import Sample, sample
from gpt_notebook.errors import DataNotFound
from gpt_notebook.fine_tuning.asked import Asked, Sent
from gpt_notebook.job_protocol import Estimate, JobStarted, Preview
from gpt_notebook.session import session

SHOWN_SAMPLES = 5
"""Samples that a preview shows whole."""
FRESH = 10
"""Data may be changed in place: they are read again unless that was less than so many times as long ago as it takes."""


@dataclass(frozen=True)
class _Sent:
    """What was sent of data, or of a sample of them."""

    digests: Sent
    sampled: Sample
    """Without its lines, which are not needed any more."""
    warnings: tuple[str, ...]
    stale_at: float
    """When they are to be read again, on the clock of `time.monotonic`."""


class PreviewData:
    """What has been sent of a panel's data to have it looked at."""

    def __init__(self) -> None:
        """Have sent nothing."""
        self._lock = threading.Lock()
        self._sent: dict[tuple[Any, ...], _Sent] = {}

    def preview(self, asked: Asked, *, samples: int) -> tuple[Preview, Sample]:
        """Return what a model would see of the data, or of a sample of them, with the estimate for all of them.

        Raises:
            InvalidRequest: a row can't be learnt from, which is named.
        """
        try:
            found, taken = self._preview(asked, samples)
        except DataNotFound:  # Data that nobody asks for are not kept forever.
            with self._lock:
                self._sent.clear()
            found, taken = self._preview(asked, samples)
        times = taken.rows / len(taken.lines)
        if taken.sampled is not None and asked.options.max_steps is None:
            found = dataclasses.replace(found, estimate=_times(found.estimate, times))
        return found, taken

    def _preview(self, asked: Asked, samples: int) -> tuple[Preview, Sample]:
        # A share of the data is kept apart by the model kernel; validation data of their own are sent as well.
        key = (*sorted(asked.columns.items()), asked.validation is not None)
        with self._lock:
            known = self._sent.get(key)
            if known is None or time.monotonic() >= known.stale_at:
                known = _send(asked)
                self._sent = {key: known}
        asked.data.warnings = list(known.warnings)
        return asked.preview(known.digests, samples=samples), known.sampled


def start(asked: Asked, *, name: str | None) -> JobStarted:
    """Send all of the data and start the job, or attach to it.

    Raises:
        InvalidRequest: a row can't be learnt from, which is named.
        JobDiffers: there is a job of this name with other data or options; says which.
    """
    validation = None if asked.validation is None else _upload(asked.validation.lines())
    return asked.start((_upload(asked.data.lines()), validation), name=name, force=False)


def _send(asked: Asked) -> _Sent:
    """Send data, or a sample of them."""
    began = time.monotonic()
    taken = sample(asked.data)
    validation = None if asked.validation is None else _upload(sample(asked.validation).lines)
    digests = (_upload(taken.lines), validation)
    ended = time.monotonic()
    without_lines = Sample((b"",) * len(taken.lines), taken.rows)
    return _Sent(digests, without_lines, tuple(asked.data.warnings), ended + FRESH * (ended - began))


def _upload(lines: Iterator[bytes] | tuple[bytes, ...]) -> str:
    return session.ask(lambda client: client.upload(iter(lines))).digest


def _times(estimate: Estimate, times: float) -> Estimate:
    """Return the estimate for so many times as many rows."""
    return dataclasses.replace(
        estimate,
        steps=round(estimate.steps * times),
        tokens=round(estimate.tokens * times),
        seconds=estimate.seconds * times,
    )
