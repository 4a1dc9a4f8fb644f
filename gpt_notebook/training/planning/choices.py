"""What is chosen where nothing was asked for, as far as data, memory and the machine decide it.

The job's process, the preview and whoever makes room for the job all choose with these, so that a preview says what the
job will do.
"""

from __future__ import annotations

import math

import torch

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.protocol import Dtype
from gpt_notebook.training.planning import machine

EPOCHS = 3.0
BATCH_SIZE = 8
LONGEST = 1024
"""Tokens of a sample, where the model could read more: memory and time grow with them."""
PASS_TOKENS = {"cpu": 4096}
PASS_TOKENS_ELSEWHERE = 32768
"""From so many tokens on, more in one pass are not faster, and only take memory."""
SMALL = 50_000_000
"""Parameters; the products of smaller models are no faster in bfloat16, as everything else takes as long."""
FASTER = 1.3
"""How many times as fast products in bfloat16 have to be to be worth what they round away."""


def max_length(options: JobOptions, context_length: int) -> int:
    """Return how many tokens a sample may have.

    Args:
        options: What was asked for.
        context_length: The most that the model reads; 0: no limit is known.

    Raises:
        InvalidRequest: more was asked for than the model reads.
    """
    return length(options.max_length, context_length)


def length(asked: int | None, context_length: int) -> int:
    """Return how many tokens a sample may have where this many were asked for; see `max_length`."""
    if asked is None:
        return min(LONGEST, context_length or LONGEST)
    if context_length and asked > context_length:
        message = f"max_length is {asked:,}, and the model reads at most {context_length:,} tokens: choose that or less"
        raise InvalidRequest(message, param="max_length")
    return asked


def batch_size(options: JobOptions, n_samples: int) -> int:
    """Return how many samples a step has, where there are so many."""
    return options.batch_size or min(BATCH_SIZE, n_samples)


def steps(options: JobOptions, n_samples: int) -> int:
    """Return the number of optimizer steps; the last one of an epoch may have fewer samples."""
    if options.max_steps is not None:
        return options.max_steps
    epochs = EPOCHS if options.epochs is None else options.epochs
    return max(math.ceil(epochs * math.ceil(n_samples / batch_size(options, n_samples))), 1)


def micro_batch_size(
    options: JobOptions, n_samples: int, *, longest: int, device: torch.device, fitting: int | None
) -> int:
    """Return how many samples are computed together: as many of a step as fit, in parts of the same size.

    Args:
        options: What was asked for; it decides, whatever fits.
        n_samples: How many there are.
        longest: The tokens of the longest one.
        device: Where to train.
        fitting: How many of the longest the memory suffices for; None: for all.
    """
    size = batch_size(options, n_samples)
    most = options.micro_batch_size
    if most is None:
        most = PASS_TOKENS.get(device.type, PASS_TOKENS_ELSEWHERE) // longest
        most = most if fitting is None else min(most, fitting)
    return largest_divisor(size, min(max(most, 1), size))


def dtype(options: JobOptions, parameters: int, device: torch.device) -> Dtype:
    """Return the dtype of the products.

    Args:
        options: What was asked for.
        parameters: Of the whole model.
        device: Where to train. How much faster a CPU is in bfloat16 is measured, which takes about 0.2 s.

    Raises:
        InvalidRequest: float16 on a CPU.
    """
    if options.dtype == "float16" and device.type == "cpu":
        text = "dtype float16 is slow on a CPU and overflows: use bfloat16, or leave it out"
        raise InvalidRequest(text, param="dtype")
    if options.dtype is not None:
        return options.dtype
    if parameters < SMALL:
        return "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    fast, exact = (machine.measured_flops(each, device) for each in (torch.bfloat16, torch.float32))
    return "bfloat16" if fast > FASTER * exact else "float32"


def largest_divisor(number: int, most: int) -> int:
    """Return the largest number up to `most`, which is at least 1, that divides another evenly."""
    pairs = ((each, number // each) for each in range(1, math.isqrt(number) + 1) if number % each == 0)
    return max(each for pair in pairs for each in pair if each <= most)
