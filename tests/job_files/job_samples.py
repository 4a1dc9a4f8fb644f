"""A job to look at, and events as an attempt records them."""

from __future__ import annotations

from gpt_notebook.job_files.directory import JobDirectory, JobSpec
from gpt_notebook.job_protocol import Estimate, JobOptions, JobRequest

DIGEST = "0" * 64
ESTIMATE = Estimate(bytes=10, weights=4, training_state=4, activations=2, seconds=None, steps=9, tokens=90, free=100)


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


def validated_fields(step, loss, *, best=True):
    return {"step": step, "loss": loss, "perplexity": 2.0, "accuracy": 0.5, "tokens": 9, "seconds": 0.1, "best": best}


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
