"""How well a model knows samples: loss, perplexity and accuracy over their counted tokens.

Each token weighs the same, whichever sample it is in and whatever is computed together with it; the numbers are those
of `model(input_ids, labels=labels)` for each sample alone, but for rounding.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from gpt_notebook.training.loss import counted_logits
from gpt_notebook.training.samples import collate
from gpt_notebook.training.samples.samples import Sample, Samples

MOST_LOGITS = 2**26
"""Logits that are computed together; a sample that has more is measured alone."""
AT_ONCE = 2**22
"""Logits that become float32 at once."""


class Measured(NamedTuple):
    """What a model makes of some counted tokens."""

    loss_sum: float = 0.0
    """Of their negative natural-log probabilities."""
    correct: int = 0
    """For how many of them the most probable token was the right one."""
    tokens: int = 0
    """How many they are."""

    def plus(self, other: Measured) -> Measured:
        """Return what the model makes of both together."""
        return Measured(self.loss_sum + other.loss_sum, self.correct + other.correct, self.tokens + other.tokens)

    @property
    def loss(self) -> float:
        """The mean of their negative natural-log probabilities; NaN if there is none."""
        return self.loss_sum / self.tokens if self.tokens else math.nan

    @property
    def perplexity(self) -> float:
        """The exponential of the loss; infinite where no float is as large."""
        try:
            return math.exp(self.loss)
        except OverflowError:
            return math.inf

    @property
    def accuracy(self) -> float:
        """The share of them that were the most probable token; NaN if there is none."""
        return self.correct / self.tokens if self.tokens else math.nan


def measure(
    model: Any,
    samples: Samples,
    *,
    micro_batch: int = 8,
    packed: bool = False,
    between: Callable[[], None] = lambda: None,
) -> Measured:
    """Return what a model makes of all samples; it is in the mode afterwards in which it was.

    Args:
        model: A causal model of transformers, with an adapter of peft's or without.
        samples: At least one.
        micro_batch: How many are computed together at most.
        packed: Whether end to end, for models that keep them apart.
        between: Called after each batch.
    """
    whole = Measured()
    with _evaluating(model):
        for indices in batches(samples.sizes, micro_batch, vocabulary=vocabulary_of(model)):
            for measured in of_each(model, [samples[i] for i in indices], packed=packed):
                whole = whole.plus(measured)
            between()
    return whole


def batches(sizes: np.ndarray, micro_batch: int, *, vocabulary: int) -> Iterator[list[int]]:
    """Yield the indices of samples to be computed together, so that little is padded and memory bounded.

    Args:
        sizes: The tokens of each sample, shape (sample,).
        micro_batch: The most samples of a batch.
        vocabulary: How many logits a token has.
    """
    batch: list[int] = []
    longest = 0
    for index in np.argsort(sizes, kind="stable").tolist():
        longest = max(longest, int(sizes[index]))
        if batch and (len(batch) == micro_batch or (len(batch) + 1) * longest * vocabulary > MOST_LOGITS):
            yield batch
            batch, longest = [], int(sizes[index])
        batch.append(index)
    if batch:
        yield batch


def vocabulary_of(model: Any) -> int:
    """Return about how many logits a token has."""
    return int(model.get_input_embeddings().num_embeddings)


@torch.no_grad()
def of_each(model: Any, samples: Sequence[Sample], *, packed: bool = False) -> list[Measured]:
    """Return what a model, in evaluation mode, makes of each of a few samples, read in one pass."""
    batch = collate.packed(samples) if packed else collate.padded(samples)
    logits, targets = counted_logits(model, batch, model.get_input_embeddings().weight.device)
    losses, correct = _judged(logits, targets)
    counts = [int(sample.counted[1:].sum()) for sample in samples]
    return [
        Measured(float(loss.sum()), int(right.sum()), count)
        for loss, right, count in zip(torch.split(losses, counts), torch.split(correct, counts), counts, strict=True)
    ]


def _judged(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the negative log probabilities of targets, float64 (place,), and whether they were most probable, (place,)."""
    losses, correct = [], []
    step = max(AT_ONCE // max(logits.shape[-1], 1), 1)
    for part, wanted in zip(torch.split(logits, step), torch.split(targets, step), strict=True):
        losses.append(functional.cross_entropy(part.float(), wanted, reduction="none").double())
        correct.append(part.argmax(-1) == wanted)
    return torch.cat(losses).cpu(), torch.cat(correct).cpu()


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Have a model compute without dropout."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
