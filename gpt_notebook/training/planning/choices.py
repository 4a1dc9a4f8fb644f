"""What is chosen where nothing was asked for, as far as data and memory decide it.

The job's process and the preview both choose with these, so that a preview says what the job will do.
"""

from __future__ import annotations

import math

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.job_protocol import JobOptions

EPOCHS = 3.0
BATCH_SIZE = 8
LONGEST = 1024
"""Tokens of a sample, where the model could read more: memory and time grow with them."""


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


def micro_batch_size(options: JobOptions, n_samples: int, *, bytes_each: int, room: int) -> int:
    """Return how many samples are computed together: as many of a step as fit, in parts of the same size.

    Args:
        options: What was asked for.
        n_samples: How many there are.
        bytes_each: What the longest one takes while it is computed.
        room: The bytes that there are for them.
    """
    size = batch_size(options, n_samples)
    most = min(options.micro_batch_size or max(room // max(bytes_each, 1), 1), size)
    return largest_divisor(size, most)


def largest_divisor(number: int, most: int) -> int:
    """Return the largest number up to `most`, which is at least 1, that divides another evenly."""
    pairs = ((each, number // each) for each in range(1, math.isqrt(number) + 1) if number % each == 0)
    return max(each for pair in pairs for each in pair if each <= most)
