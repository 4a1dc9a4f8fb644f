"""A job to look at, and events as its attempts record them."""

from __future__ import annotations

from gpt_notebook.job_events import CheckpointSaved, Prepared, Probed, StateChanged, StepDone, Validated
from gpt_notebook.job_files.directory import JobDirectory, JobSpec
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import Estimate, JobOptions, JobRequest

DIGEST = "0" * 64
ESTIMATE = Estimate(bytes=10, weights=4, training_state=4, activations=2, seconds=1.5, steps=9, tokens=90, free=100)


def make_job(home, name="pip", **options):
    directory = JobDirectory(home / "jobs" / name)
    directory.create()
    directory.write_spec(spec(name, **options))
    return directory


def spec(name="pip", **options):
    request = JobRequest(data=DIGEST, name=name, options=JobOptions(**options))
    return JobSpec(id="3f", name=name, created=1.5, request=request, source="/models/base", fingerprint="abc")


def step_fields(step, *, loss=2.0):
    return {
        "step": step,
        "epoch": step / 10,
        "loss": loss,
        "learning_rate": 1e-4,
        "grad_norm": 0.5,
        "tokens": 100,
        "seconds": 0.5,
        "memory": 1000,
    }


def prepared_fields(step, *, max_steps=30, **chosen):
    return {
        "step": step,
        "max_steps": max_steps,
        "samples": 8,
        "validation_samples": 2,
        "tokens": 80,
        "counted": 70,
        "cut": 0,
        "dropped": 0,
        "trainable": 5,
        "parameters": 50,
        "chosen": chosen,
        "estimate": ESTIMATE,
        "threads": 2,
        "device": "cpu",
    }


def validated_fields(step, loss, **fields):
    measured = {"step": step, "loss": loss, "perplexity": 2.0, "accuracy": 0.5, "tokens": 9, "seconds": 0.1}
    return measured | {"best": True} | fields


def write_adapter(place, *, step=1):
    """Write what a small adapter's checkpoint consists of, other bytes for each step."""
    for name, content in contents(step).items():
        (place / name).write_bytes(content)


def contents(step):
    return {
        "adapter_config.json": b'{"r": %d}' % step,
        "adapter_model.safetensors": bytes([step % 256]) * 300,
        "optimizer.pt": bytes([step % 256]) * 700,
        "rng_state.pth": b"rng %d" % step,
        "trainer_state.json": b"{}",
    }


class Attempt:
    """An attempt of a job as its events tell it; the losses say which attempt has done a step."""

    def __init__(self, directory, *, begins=0, measured_on=None, **chosen):
        self.directory, self.step, self.measured_on = directory, begins, measured_on
        self.number = Journal.next_attempt(directory.events)
        self.events = Journal(directory.events, attempt=self.number)
        self.events.write(StateChanged, state="running")
        self.events.write(Prepared, **prepared_fields(begins, **chosen))

    def steps(self, count, *, save_at=()):
        for _ in range(count):
            self.step += 1
            self.events.write(StepDone, **step_fields(self.step, loss=float(self.number)))
            if self.step % 5 == 0:
                fields = validated_fields(self.step, 10.0 * self.number, measured_on=self.measured_on)
                self.events.write(Validated, **fields)
                self.events.write(Probed, step=self.step, index=0, prompt="Once", text=str(self.number))
            if self.step in save_at:
                self.saved(self.step)
        return self

    def saved(self, step, **fields):
        self.events.write(CheckpointSaved, step=step, bytes=1, digest="d", seconds=0.1, **fields)

    def dies(self, *, torn=b""):
        self.events.close()
        if torn:
            with self.directory.events.open("ab") as file:
                file.write(torn)
