"""Memory for a job whose turn it is: idle models leave for it where there is too little.

They come back when somebody asks for them. What a job takes is foretold from its config and its longest row, without a
tokenizer: it only has to be about right, as a job that finds less makes do with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

import numpy as np
import torch

from gpt_notebook.errors import ModelError
from gpt_notebook.job_files.directory import JobDirectory, JobSpec
from gpt_notebook.model_kernel import model_config
from gpt_notebook.model_kernel.jobs.register import Job
from gpt_notebook.model_kernel.models import Models
from gpt_notebook.model_kernel.weights import Source
from gpt_notebook.protocol import ModelInfo
from gpt_notebook.settings import MIB
from gpt_notebook.training.planning import choices, config_sizes
from gpt_notebook.training.planning.estimate import estimate
from gpt_notebook.training.planning.machine import free_memory
from gpt_notebook.training.samples.samples import Samples

logger = logging.getLogger(__name__)


class Room:
    """Makes room on the device of the models."""

    def __init__(self, models: Models) -> None:
        """Take it from these models."""
        self._models = models

    async def make(self, job: Job) -> str | None:
        """Make room for a job, and return what is to be said of it: which models have left, or that it will be tight."""
        device = self._models.device
        try:
            needed = await asyncio.to_thread(needed_by, job.spec, job.directory, device)
        except Exception:
            # The job itself will say what is wrong with its model or its data.
            logger.exception("what the job %s takes could not be foretold", job.spec.name)
            return None
        left = self._let_idle_leave(needed)
        said = []
        if left:
            said.append(f"{', '.join(left)} left the memory for it, and will be loaded again when asked for")
        if (free := free_memory(device)) < needed:
            said.append(f"it takes about {needed / MIB:,.0f} MiB, and {free / MIB:,.0f} MiB are free")
        return "; ".join(said) or None

    def free(self) -> int:
        """Return the bytes that there would be for a job whose turn it were."""
        # On a CPU weights are mapped files, and their memory is free as soon as somebody else needs it.
        idle = 0 if self._models.device.type == "cpu" else sum(info.bytes for info in self._idle())
        return free_memory(self._models.device) + idle

    def _idle(self) -> list[ModelInfo]:
        """Return the loaded models that nobody uses, the least recently used first."""
        idle = [info for info in self._models.loaded() if not info.in_use]
        return sorted(idle, key=lambda info: -info.idle_seconds)

    def _let_idle_leave(self, needed: int) -> list[str]:
        """Let idle models go until so many bytes are free; return the names of those that have."""
        left = []
        for info in self._idle():
            if free_memory(self._models.device) >= needed:
                break
            with contextlib.suppress(ModelError):  # It is in use in another dtype, or has gone with one.
                self._models.unload(info.name)
                left.append(info.name)
        return left


def needed_by(spec: JobSpec, directory: JobDirectory, device: torch.device) -> int:
    """Return about how many bytes a job takes at its peak."""
    options = spec.request.options
    config = model_config.read(Source(spec.request.model, Path(spec.source)))
    longest, rows = _longest_row(directory.data)
    length = min(choices.max_length(options, config_sizes.context_length(config)), max(longest, 2))
    together = choices.micro_batch_size(options, rows, longest=length, device=device, fitting=None)
    dtype = choices.dtype(options, config_sizes.number_of_parameters(config), device)
    return estimate(
        config,
        _one_sample(length),
        options,
        dtype=getattr(torch, dtype),
        device=device,
        free=0,
        tokens_per_second=1.0,
        max_length=length,
        steps=1,
        micro_batch_size=together,
    ).bytes


def _longest_row(path: Path) -> tuple[int, int]:
    """Return the length of the longest row in bytes, of which no token has less than one, and the number of rows."""
    longest = rows = 0
    with path.open("rb") as file:
        for line in file:
            longest, rows = max(longest, len(line)), rows + 1
    return longest, rows


def _one_sample(length: int) -> Samples:
    """Return a sample of so many tokens."""
    return Samples(
        token_ids=np.zeros(length, np.int32),
        counted=np.arange(length) > 0,
        offsets=np.array([0, length], np.int64),
        rows=np.zeros(1, np.int32),
        left_out=np.zeros(1, np.int32),
        lengths=np.array([length], np.int32),
        digests=np.zeros(1, np.uint64),
    )
