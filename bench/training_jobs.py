"""Jobs to be measured: their model and options, and their directories, written as a model kernel writes them."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from own_model_kernel import GPT2, random_text

from gpt_notebook.job_files.directory import JobDirectory, JobSpec
from gpt_notebook.job_protocol import JobOptions, JobRequest, LoraOptions

CONFIG = GPT2 | {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
"""Without dropout, which everybody would draw otherwise."""
SAMPLES, LENGTH = 4, 128
"""Of a step, and the tokens of each."""
RANK = 8
ALPHA = 2 * RANK
LEARNING_RATES = {"lora": 1e-3, "full": 1e-4}
NEVER = 10**9


def random_texts(steps: int) -> list[str]:
    """Return the texts of so many steps."""
    return [random_text(LENGTH, seed) for seed in range(steps * SAMPLES)]


def write_job(
    place: Path, model: str, texts: Sequence[str], *, method: str, dtype: str, max_steps: int
) -> JobDirectory:
    """Write the directory of a job that trains a model on texts, and saves nothing before its end."""
    directory = JobDirectory(place / "jobs" / "measured")
    directory.create()
    directory.data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    chosen: dict[str, Any] = {"method": method, "dtype": dtype}
    options = JobOptions(
        **chosen,
        max_steps=max_steps,
        learning_rate=LEARNING_RATES[method],
        warmup_steps=0,
        batch_size=SAMPLES,
        micro_batch_size=SAMPLES,
        lora=LoraOptions(rank=RANK, alpha=ALPHA),
        save_every=NEVER,
    )
    directory.write_spec(
        JobSpec(
            id="measured",
            name=directory.name,
            created=time.time(),
            request=JobRequest(
                data=hashlib.sha256(directory.data.read_bytes()).hexdigest(),
                model=model,
                name=directory.name,
                options=options,
            ),
            source=model,
            fingerprint="random",
        )
    )
    return directory


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a process that trains on so many threads."""
    return {**os.environ, "GPT_NOTEBOOK_DEVICE": "cpu", "GPT_NOTEBOOK_THREADS": str(threads)}
