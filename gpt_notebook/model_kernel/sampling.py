"""From logits to a token: temperature, then top-k, then top-p, then one draw, in the order that transformers uses.

Knows nothing of models, text or requests. A row of logits is handled by NumPy on the CPU, where a vocabulary of 50,000
tokens takes a few tenths of a millisecond, and where a seed gives the same draws whatever device the model is on.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from gpt_notebook.errors import ModelDamaged
from gpt_notebook.model_kernel.native import library
from gpt_notebook.protocol import SamplingOptions

Logits = npt.NDArray[np.float32]
"""The logits after one token, (vocabulary,)."""

COLDEST = 1e-30
"""A temperature below it leaves nothing but the best token, as this one does, and would not survive the arithmetic."""
UNLIKELY = 1e-4
"""Tokens this much less probable than the best are left out of the search for top-p's, unless it turns out to need them."""


Probabilities = npt.NDArray[np.float64]
"""Of the tokens that may be drawn, (token,)."""


@dataclass(frozen=True, kw_only=True)
class Considered:
    """What else there was at a place, and how likely what was taken."""

    top: list[tuple[int, float, float | None]]
    """The most probable tokens with their logprobs and the probabilities with which they could be drawn, if one is drawn."""
    rank: int
    """Of the token that was taken; 1 is the most probable one."""
    entropy: float
    """Of the model's own distribution, in nats."""
    probability: float | None = None
    """With which the token was drawn."""


@dataclass(frozen=True)
class Choice:
    """What was chosen after a row of logits, and what the model thought of it."""

    token_id: int
    logprob: float
    """Of the logits as they were: before temperature, top-k and top-p."""
    considered: Considered | None
    """None where it wasn't asked for."""


def choose(row: Logits, options: SamplingOptions, draws: random.Random) -> Choice:
    """Choose the token that follows.

    Args:
        row: the model's logits.
        options: a temperature of 0 takes the most probable token, without a draw.
        draws: asked for one number for each draw.

    Raises:
        ModelDamaged: the logits are no numbers.
    """
    best, normalizer = best_and_sum(row)
    if not np.isfinite(normalizer):
        message = "the model's numbers are NaN or infinite: load it in float32, or check its weights and its adapter"
        raise ModelDamaged(message)
    if options.temperature == 0:
        token_id, likely = best, (np.array([best]), np.ones(1))
    else:
        likely = kept(row, options)
        token_id = drawn(*likely, draws.random())
    found = _considered(row, normalizer, token_id, likely, options.logprobs) if options.logprobs else None
    return Choice(token_id, float(row[token_id]) - normalizer, found)


def _considered(
    row: Logits, normalizer: float, token_id: int, likely: tuple[npt.NDArray[np.intp], Probabilities], k: int
) -> Considered:
    """Return what else there was beside a token that was drawn from those that are likely."""
    top = top_tokens(torch.from_numpy(row), k, normalizer)
    return Considered(
        top=[(each, logprob, _probability(each, likely)) for each, logprob in top],
        rank=1 + int(np.count_nonzero(row > row[token_id])),
        entropy=entropy(torch.from_numpy(row) - normalizer),
        probability=_probability(token_id, likely),
    )


def _probability(token_id: int, likely: tuple[npt.NDArray[np.intp], Probabilities]) -> float:
    """Return the probability of one of the tokens that may be drawn, and 0 for any other."""
    ids, probabilities = likely
    at = int(np.searchsorted(ids, token_id))
    return float(probabilities[at]) if at < len(ids) and ids[at] == token_id else 0.0


def entropy(logprobs: torch.Tensor) -> float:
    """Return the entropy of a distribution, given as logprobs (vocabulary,), in nats."""
    return float(torch.special.entr(logprobs.exp()).sum(dtype=torch.float64))


def kept(row: Logits, options: SamplingOptions) -> tuple[npt.NDArray[np.intp], Probabilities]:
    """Return the tokens that may be drawn, by their ids in rising order, and the probability of each.

    Args:
        row: the model's logits.
        options: `temperature` above 0, `top_k` and `top_p`.

    Sources: top-p is "nucleus sampling", Holtzman et al. 2020, https://arxiv.org/abs/1904.09751; top-k is Fan et al.
    2018, https://arxiv.org/abs/1805.04833.
    """
    # With the largest at 0, the tiniest temperature leaves the best token its chance.
    with np.errstate(over="ignore", under="ignore"):
        weights = np.exp((row - row.max()) / np.float32(max(options.temperature, COLDEST)))
    ids, total = np.arange(len(row)), None
    if 0 < options.top_k < len(row):
        ids = np.flatnonzero(row >= np.partition(row, -options.top_k)[-options.top_k])
    elif options.top_p < 1:
        total = float(weights.sum(dtype=np.float64))
        likely = np.flatnonzero(weights >= UNLIKELY)  # the best weighs 1
        if weights[likely].sum(dtype=np.float64) >= options.top_p * total:
            ids = likely
    weights = weights[ids]
    if options.top_p < 1:
        stay = _nucleus(weights, options.top_p * (weights.sum(dtype=np.float64) if total is None else total))
        ids, weights = ids[stay], weights[stay]
    return ids, weights / weights.sum(dtype=np.float64)


def _nucleus(weights: npt.NDArray[np.float32], mass: float) -> npt.NDArray[np.intp]:
    """Return where the fewest weights are, the largest ones, that reach a mass together."""
    falling = np.sort(weights)[::-1]
    # A token stays when those before it have not reached the mass yet, so the most probable one always stays.
    count = 1 + int(np.searchsorted(np.cumsum(falling, dtype=np.float64)[:-1], mass))
    least = falling[count - 1]
    above = np.flatnonzero(weights > least)
    as_large = np.flatnonzero(weights == least)[: count - len(above)]
    return np.sort(np.concatenate([above, as_large]))


def drawn(ids: npt.NDArray[np.intp], probabilities: npt.NDArray[np.float64], draw: float) -> int:
    """Return the id that a number from 0 to 1 falls on when the probabilities are laid end to end."""
    ends = np.cumsum(probabilities)
    return int(ids[min(np.searchsorted(ends, draw * ends[-1], side="right"), len(ids) - 1)])


def best_and_sum(row: Logits) -> tuple[int, float]:
    """Return the most probable token, and `log_sum`, which is no finite number where a logit is NaN or infinite."""
    found = library.library()
    if found is not None:
        return found.best_and_sum(row)
    with np.errstate(invalid="ignore"):
        return int(row.argmax()), log_sum(row)


def log_sum(row: Logits) -> float:
    """Return the logarithm of the sum of the exponentials, which makes logits logprobs."""
    largest = float(row.max())
    return largest + float(np.log(np.exp(row - row.max()).sum(dtype=np.float64)))


def top_tokens(row: torch.Tensor, k: int, normalizer: float = 0.0) -> list[tuple[int, float]]:
    """Return the ids and natural-log probabilities of the k most probable tokens, most probable first.

    Args:
        row: logits (vocabulary,), or logprobs, on any device.
        k: how many; all of them when there are fewer.
        normalizer: `log_sum` of logits; logprobs need none.
    """
    best = row.topk(min(k, row.shape[0]))
    return [(i, value - normalizer) for i, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
