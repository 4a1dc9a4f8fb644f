"""Whether samples can be laid end to end, and whether that is worth it.

transformers tells packed samples apart by their positions, but not in every family: some read on from one sample into
the next, and say nothing of it. So it is tried. Nothing is padded then, but attention is computed between all tokens of
a batch and hidden afterwards, which costs more than it saves where samples are long and much alike.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch

from gpt_notebook.training.samples import collate
from gpt_notebook.training.samples.samples import Sample

logger = logging.getLogger(__name__)

LENGTHS = (5, 2, 7)
"""Tokens of the samples of the trial."""
TOLERANCE = 1e-4
"""How far the logits of packed samples may be from those of each alone, relative to the largest, in float32."""
ROUNDINGS = 8
"""The same in roundings of the model's dtype."""


def keeps_apart(model: Any) -> bool:
    """Return whether a model says the same of packed samples as of each alone.

    Two things are tried: whether their logits are those that they have alone, and whether other tokens in the first
    sample change nothing in the second, which shows what gets lost in the rounding of a half precision.
    """
    training = model.training
    model.eval()
    try:
        return _tried(model)
    except Exception as error:  # noqa: BLE001 - whatever it is, padding works
        logger.info("samples are padded: %s", next(iter(str(error).splitlines()), type(error).__name__)[:300])
        return False
    finally:
        model.train(training)


@torch.no_grad()
def _tried(model: Any) -> bool:
    vocabulary = model.get_input_embeddings().num_embeddings
    samples = [_sample(length, first, vocabulary) for first, length in enumerate(LENGTHS, 1)]
    alone = [_logits(model, [each])[0] for each in samples]
    together = _logits(model, samples)
    others = _logits(model, [_sample(LENGTHS[0], 2 * vocabulary // 3, vocabulary), *samples[1:]])
    largest = max(1.0, *(float(each.abs().max()) for each in alone))
    tolerance = max(TOLERANCE, ROUNDINGS * torch.finfo(model.dtype).eps) * largest
    apart = all(float((mine - own).abs().max()) <= tolerance for mine, own in zip(together, alone, strict=True))
    blind = all(
        float((mine - same).abs().max()) <= TOLERANCE * largest
        for mine, same in zip(together[1:], others[1:], strict=True)
    )
    if not (apart and blind):
        logger.info("samples are padded: %s reads on from one into the next", model.config.model_type)
    return apart and blind


def _sample(length: int, first: int, vocabulary: int) -> Sample:
    ids = (first + 3 * np.arange(length)) % vocabulary
    return Sample(ids.astype(np.int32), np.arange(length) > 0, row=0)


def _logits(model: Any, samples: list[Sample]) -> list[torch.Tensor]:
    """Return the logits of packed samples, float32, each (token, vocabulary)."""
    batch = collate.packed(samples)
    del batch["labels"]
    device = model.get_input_embeddings().weight.device
    logits = model(**{name: tensor.to(device) for name, tensor in batch.items()}, use_cache=False).logits[0].float()
    return list(logits.split([len(each.token_ids) for each in samples]))


def pays(sizes: np.ndarray, *, batch_size: int, micro_batch_size: int, linear: int, attention: int) -> bool:
    """Return whether samples end to end take less work than padded ones.

    Args:
        sizes: The tokens of each sample, shape (sample,).
        batch_size: Samples of a step, among which those of like length are computed together.
        micro_batch_size: How many are.
        linear: The weights that a token is multiplied with.
        attention: The multiplications for a pair of tokens that see each other: layers times their width, twice.
    """
    # The order of the samples is drawn later; any other is as good for this.
    order = np.random.RandomState(0).permutation(len(sizes))
    padded = packed = 0.0
    for start in range(0, len(order), batch_size):
        step = np.sort(sizes[order[start : start + batch_size]])[::-1]
        for first in range(0, len(step), micro_batch_size):
            batch = step[first : first + micro_batch_size].astype(float)
            padded += len(batch) * batch[0] * (linear + batch[0] * attention)
            packed += batch.sum() * (linear + batch.sum() * attention)
    return bool(packed < padded)
