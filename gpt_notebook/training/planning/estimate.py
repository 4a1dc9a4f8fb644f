"""What a training takes, before it starts: memory, as a step of it is rehearsed, and time, as a product is measured.

Both are for people to decide by, and to choose how many samples to compute together. What a process needs anyway and
what an allocator loses between its pieces is counted as it was measured.
"""

from __future__ import annotations

from typing import Any

import torch

from gpt_notebook.job_protocol import Estimate, JobOptions
from gpt_notebook.settings import MIB
from gpt_notebook.training.planning import choices
from gpt_notebook.training.planning.machine import measured_flops, measured_traffic
from gpt_notebook.training.planning.rehearsal import Rehearsal, rehearse
from gpt_notebook.training.samples.samples import Samples

PROCESS = 450 * MIB
"""What Python, torch, transformers and peft take on a CPU before there is any tensor."""
SCATTERED = 1.5
"""How much more the allocator of a CPU holds for activations of all sizes than these have bytes; measured 1.3 to 2."""
MOMENTS = 2
"""Numbers that Adam keeps for each parameter that changes, float32."""
TOUCHED = 3
"""How much longer a tensor takes in a training than the one that is measured, which stays in the processor's cache."""
CALL_SECONDS = 12e-6
"""What a call of torch with its share of Python takes, whatever it computes."""


def estimate(
    config: Any,
    samples: Samples,
    options: JobOptions,
    *,
    dtype: torch.dtype,
    device: torch.device,
    free: int,
    tokens_per_second: float | None = None,
    max_length: int | None = None,
    steps: int | None = None,
    micro_batch_size: int | None = None,
) -> Estimate:
    """Return what a training takes.

    Args:
        config: The model's.
        samples: What to train on.
        options: What was asked for.
        dtype: Of the products. Weights that change are float32 whatever it is.
        device: Where to train.
        free: Bytes of the device that are free.
        tokens_per_second: A speed that is known; None: a product is measured.
        max_length: The most tokens of a sample; None: those of the longest that there is.
        steps: Optimizer steps; None: as `choices` has them.
        micro_batch_size: Samples that are computed together; None: as many as fit.
    """
    longest = int(samples.sizes.max())
    longest = longest if max_length is None else min(longest, max_length)
    share = samples.n_counted / samples.n_tokens
    if micro_batch_size is None:
        alone = rehearse(config, options, dtype=dtype, shape=(1, longest), counted=round(share * longest))
        fitting = (free - _standing(alone, device)) // max(_activations(alone, device), 1)
        micro_batch_size = choices.micro_batch_size(
            options, len(samples), longest=longest, device=device, fitting=fitting
        )
    n_tokens = micro_batch_size * longest
    rehearsal = rehearse(
        config, options, dtype=dtype, shape=(micro_batch_size, longest), counted=round(share * n_tokens)
    )
    steps = choices.steps(options, len(samples)) if steps is None else steps
    batch_size = min(choices.batch_size(options, len(samples)), len(samples))
    tokens = round(steps * batch_size * samples.n_tokens / len(samples))
    if tokens_per_second is None:
        passes = steps * -(-batch_size // micro_batch_size)
        computing = rehearsal.operations / measured_flops(
            dtype, device
        ) + TOUCHED * rehearsal.written / measured_traffic(device)
        seconds = computing / n_tokens * tokens + passes * rehearsal.calls * CALL_SECONDS
    else:
        seconds = tokens / tokens_per_second
    activations = _activations(rehearsal, device)
    return Estimate(
        bytes=_standing(rehearsal, device) + activations,
        weights=rehearsal.weights,
        training_state=_state(rehearsal),
        activations=activations,
        seconds=seconds,
        steps=steps,
        tokens=tokens,
        free=free,
    )


def _standing(rehearsal: Rehearsal, device: torch.device) -> int:
    """Return the bytes that are held from the first step to the last."""
    return rehearsal.weights + _state(rehearsal) + (PROCESS if device.type == "cpu" else 0)


def _state(rehearsal: Rehearsal) -> int:
    return rehearsal.gradients + MOMENTS * torch.float32.itemsize * rehearsal.trainable


def _activations(rehearsal: Rehearsal, device: torch.device) -> int:
    return round(rehearsal.activations * (SCATTERED if device.type == "cpu" else 1))
