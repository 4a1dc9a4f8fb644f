"""Fine-tuning jobs of the stand-in for the model kernel: it keeps what it is sent, and tests write the events."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fake_model_kernel import FakeModelKernel, Stream

from gpt_notebook.job_events import CommandDone, Prepared, StateChanged, StepDone, Validated
from gpt_notebook.job_protocol import (
    DATA_PATH,
    ENDED,
    LIST_PATH,
    Estimate,
    JobInfo,
    JobOptions,
    JobStarted,
    Preview,
    PreviewedSample,
)
from gpt_notebook.protocol import Done, Token, encode

ESTIMATE = Estimate(
    bytes=300_000_000,
    weights=14_000_000,
    training_state=1,
    activations=1,
    seconds=20.0,
    steps=40,
    tokens=9,
    free=2_000_000_000,
)

INFO = JobInfo(
    id="1f", name="pip", model="storyteller", state="running", options=JobOptions(), directory="/jobs/pip", created=1.0
)


def preview(**changes: Any) -> Preview:
    """What a model would see of two rows, of which one is shown."""
    tokens = (Token(id=1, text="Good?"), Token(id=2, text=" yes"), Token(id=0, text="<end>", special=True))
    shown = PreviewedSample(row=0, text="Good? yes<end>", tokens=tokens, counted=(False, True, True))
    found = Preview(
        rows=2, samples=2, tokens=6, counted=4, max_length=512, lengths=(3, 3, 3, 3, 3), cut=0, dropped=0,
        validation_samples=0, shown=(shown,), estimate=ESTIMATE,
    )  # fmt: skip
    return dataclasses.replace(found, **changes)


class FakeJobs:
    """One job; its events go to whoever follows, as tests add them."""

    def __init__(self, kernel: FakeModelKernel) -> None:
        self.kernel = kernel
        self.info: JobInfo | None = INFO
        self.events: list[Any] = []
        self.sent: list[str] = []
        self.started: dict[str, Any] = {"attached": False, "resumed": False}
        self.obeys = True
        self.preview = preview()
        self.dies_after: int | None = None
        """The number of the event after which the next follower is left alone."""
        self.changed = threading.Condition()
        kernel.answers |= {
            DATA_PATH: self._keep,
            LIST_PATH: lambda _: {"jobs": [encode(self.info)] if self.info else []},
            "/v1/jobs/start": self._start,
            "/v1/jobs/command": self._command,
            "/v1/jobs/forget": lambda _: {},
            "/v1/jobs/preview": lambda _: encode(self.preview),
        }
        kernel.scripts["/v1/jobs/events"] = self._follow

    def requests(self, which: str) -> list[dict[str, Any]]:
        return self.kernel.requests(f"/v1/jobs/{which}")

    def add(self, cls: type[Any], *, attempt: int = 1, **fields: Any) -> None:
        with self.changed:
            number = len(self.events) + 1
            event = cls(number=number, attempt=attempt, time=float(number), **fields)
            self.events.append(event)
            if isinstance(event, StateChanged) and self.info is not None:
                found = {"state": event.state, "reason": event.reason, "message": event.message}
                self.info = dataclasses.replace(self.info, **found)
            self.changed.notify_all()

    def step(self, number: int, loss: float | None = 2.0, *, attempt: int = 1) -> None:
        self.add(
            StepDone, attempt=attempt, step=number, epoch=number / 10, loss=loss, learning_rate=1e-3, grad_norm=1.0,
            tokens=100, seconds=0.5, memory=10**6,
        )  # fmt: skip

    def validated(self, step: int, loss: float, *, attempt: int = 1, best: bool = True) -> None:
        self.add(
            Validated, attempt=attempt, step=step, loss=loss, perplexity=loss**2, accuracy=0.5, tokens=9, seconds=0.1,
            best=best,
        )  # fmt: skip

    def prepared(self, *, step: int = 0, max_steps: int = 4, attempt: int = 1) -> None:
        self.add(
            Prepared, attempt=attempt, step=step, max_steps=max_steps, samples=2, validation_samples=1, tokens=9, counted=9,
            cut=0, dropped=0, trainable=1, parameters=1, chosen={}, estimate=ESTIMATE, threads=1, device="cpu",
        )  # fmt: skip

    def _keep(self, body: dict[str, Any]) -> dict[str, Any]:
        data = body["data"]
        self.sent.append(data)
        digest = hashlib.sha256(data.encode()).hexdigest()
        return {"digest": digest, "rows": data.count("\n"), "bytes": len(data.encode())}

    def _start(self, _body: dict[str, Any]) -> dict[str, Any]:
        assert self.info is not None
        return encode(JobStarted(job=self.info, **self.started))

    def _command(self, body: dict[str, Any]) -> dict[str, Any]:
        number = len(self.requests("command"))
        if self.obeys is not None:
            fields = {"command": body["command"], "value": body["value"], "obeyed": self.obeys}
            message = None if self.obeys else "it has ended"
            self.add(CommandDone, command_number=number, message=message, **fields)
        return {"number": number}

    def _follow(self, stream: Stream, body: dict[str, Any]) -> None:
        seen = body["after"]
        while True:
            with self.changed:
                fresh = [event for event in self.events if event.number > seen]
                over = self.info is None or self.info.state in (*ENDED, "paused")
                if not fresh and body["follow"] and not over:
                    self.changed.wait(5)
                    continue
            for event in fresh:
                stream.send(event)
                seen = event.number
                if seen == self.dies_after:
                    self.dies_after = None
                    stream.die()
                    return
            if not body["follow"] or over:
                stream.send(Done())
                return


@pytest.fixture
def fake_jobs(model_kernel: FakeModelKernel) -> Iterator[FakeJobs]:
    found = FakeJobs(model_kernel)
    yield found
    found.info = None
    with found.changed:
        found.changed.notify_all()
