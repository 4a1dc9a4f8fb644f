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
        """The mean of their negative natural-log probabilities; not a number if there is none."""
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
        """The share of them that were the most probable token; not a number if there is none."""
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
    labels = batch.pop("labels")
    targets = functional.pad(labels[:, 1:], (0, 1), value=collate.IGNORED).flatten()  # (sample * token,)
    places = (targets != collate.IGNORED).nonzero()[:, 0]  # (counted,)
    counts = [int(each.counted[1:].sum()) for each in samples]
    device = model.get_input_embeddings().weight.device
    inputs = {name: tensor.to(device) for name, tensor in batch.items()}
    logits = logits_at(model, inputs, places.to(device))  # (counted, vocabulary)
    losses, correct = _judged(logits, targets[places].to(device))
    return [
        Measured(float(loss.sum()), int(right.sum()), count)
        for loss, right, count in zip(torch.split(losses, counts), torch.split(correct, counts), counts, strict=True)
    ]


def logits_at(model: Any, inputs: dict[str, torch.Tensor], places: torch.Tensor) -> torch.Tensor:
    """Return the logits (place, vocabulary) at some places of a batch, counted through all of its rows.

    The model's last product, which is a large part of its work and most of its memory, is spared at all others.
    """
    head = model.get_output_embeddings()
    spared = False

    def only_places(_: Any, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        nonlocal spared
        spared = True
        return (arguments[0].flatten(0, -2)[places][None], *arguments[1:])

    # The hook is on a module that others may use, but not while this pass runs.
    hook = contextlib.nullcontext() if head is None else head.register_forward_pre_hook(only_places)
    with hook:
        logits: torch.Tensor = model(**inputs, use_cache=False).logits.flatten(0, -2)
    return logits if spared else logits[places]


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
    training = [each for each in model.modules() if each.training]
    model.eval()
    try:
        yield
    finally:
        for each in training:
            each.training = True
