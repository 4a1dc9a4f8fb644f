"""From samples to a batch: side by side, padded to the longest, or end to end, with nothing between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from gpt_notebook.training.samples.samples import Sample

IGNORED = -100
"""The label of a token that doesn't count."""


def padded(samples: Sequence[Sample], *, pad_id: int = 0) -> dict[str, torch.Tensor]:
    """Return samples side by side: `input_ids`, `attention_mask` and `labels`, int64, each (sample, token).

    They are padded on the right, where no token of theirs can see it.
    """
    longest = max(len(each.token_ids) for each in samples)
    shape = len(samples), longest
    ids, labels = np.full(shape, pad_id, np.int64), np.full(shape, IGNORED, np.int64)
    mask = np.zeros(shape, np.int64)
    for row, sample in enumerate(samples):
        length = len(sample.token_ids)
        ids[row, :length] = sample.token_ids
        labels[row, :length] = _labels(sample)
        mask[row, :length] = 1
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask),
        "labels": torch.from_numpy(labels),
    }


def packed(samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
    """Return samples end to end: `input_ids`, `position_ids` and `labels`, int64, each (1, token).

    Positions begin again with each sample. By these, and only where there are no attention mask and no cache
    (`use_cache=False`), transformers tells the samples apart, in the families that `packing.keeps_apart` finds.
    """
    return {
        "input_ids": _end_to_end([each.token_ids for each in samples]),
        "position_ids": _end_to_end([np.arange(len(each.token_ids)) for each in samples]),
        "labels": _end_to_end([_labels(each) for each in samples]),
    }


def _end_to_end(parts: Sequence[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.int64))[None]


def _labels(sample: Sample) -> np.ndarray:
    labels = np.where(sample.counted, sample.token_ids, IGNORED)
    labels[:1] = IGNORED  # The first token of a packed sample must not be predicted from the sample before.
    return labels
