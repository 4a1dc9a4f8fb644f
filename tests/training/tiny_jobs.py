"""Jobs with tiny models, run in this process as the job's own process runs them."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import safetensors.torch
import torch

from gpt_notebook.job_events import StateChanged
from gpt_notebook.job_files import commands, journal, lock
from gpt_notebook.job_files.directory import JobDirectory, JobSpec
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import JobOptions, JobRequest
from gpt_notebook.training.job import run
from gpt_notebook.training.trainer import JobTrainer

CPU = torch.device("cpu")
WORDS = [
    "the",
    "fox",
    "the",
    "owl",
    "the",
    "river",
    "the",
    "moon",
    "a",
    "wood",
    "a",
    "story",
    "cold",
    "dark",
    "only",
    "friends",
    "morning",
    "evening",
]


def rows(count, *, first=0):
    """Return texts of different lengths, of which each says something else."""
    return [
        {"text": " ".join(WORDS[(i * 7 + k * (1 + i % 3)) % len(WORDS)] for k in range(3 + i % 5))}
        for i in range(first, first + count)
    ]


def make_job(home, base, data, *, name="pip", validation=None, adapter=None, model=None, **options):
    """Write a job's directory, as the model kernel does."""
    directory = JobDirectory(Path(home) / "jobs" / name)
    directory.create()
    request = JobRequest(
        data=written(directory.data, data),
        validation=None if validation is None else written(directory.validation, validation),
        model=model or str(base),
        name=name,
        options=JobOptions(**options),
    )
    directory.write_spec(
        JobSpec(
            id="3f",
            name=name,
            created=1.5,
            request=request,
            source=str(base),
            fingerprint="abc",
            adapter=None if adapter is None else str(adapter),
        )
    )
    return directory


def written(path, data):
    """Write rows into a file, and return its digest."""
    text = "".join(json.dumps(row) + "\n" for row in data).encode()
    path.write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def train(directory, *, leave=None):
    """Run a job until its process leaves, and return how it has ended."""
    with lock.hold(directory, wait=2) as ours:
        assert ours
        return run(directory, device=CPU, leave=leave or threading.Event())


def queue(directory):
    """Let a job wait for its turn, as the model kernel does before it starts its process."""
    with lock.hold(directory, wait=2), Journal(directory.events) as journal:
        journal.write(StateChanged, state="queued")


def events(directory, cls=None):
    """Return a job's events, or those of a class."""
    return [each for each in journal.read(directory.events) if cls is None or isinstance(each, cls)]


def weights(directory, step):
    """Return the tensors of a checkpoint."""
    place = directory.checkpoints / str(step)
    (file,) = [each for each in place.iterdir() if each.suffix == ".safetensors"]
    return safetensors.torch.load(file.read_bytes())


def same(one, other):
    """Whether two sets of weights are the same to the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def before_passes(patched, act):
    """Have `act(trainer)` called before each pass forward and back."""
    training_step = JobTrainer.training_step

    def act_and_step(trainer, *arguments, **options):
        act(trainer)
        return training_step(trainer, *arguments, **options)

    patched.setattr(JobTrainer, "training_step", act_and_step)


def command_at(monkeypatch, directory, step, *told):
    """Run a job that is told something, a command with its value, while it does a step."""
    left = list(told)

    def tell(trainer):
        while left and trainer.state.global_step == step - 1:
            commands.append(directory, *left.pop(0))

    with monkeypatch.context() as patched:
        before_passes(patched, tell)
        return train(directory)
