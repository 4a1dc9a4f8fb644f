"""Samples of which only the sizes matter."""

from __future__ import annotations

import numpy as np

from gpt_notebook.training.samples.samples import Samples


def same_length(n_samples, length):
    """Samples that all have one length."""
    return Samples(
        token_ids=np.zeros(n_samples * length, np.int32),
        counted=np.tile(np.arange(length) > 0, n_samples),
        offsets=np.arange(n_samples + 1) * length,
        rows=np.arange(n_samples, dtype=np.int32),
        left_out=np.zeros(n_samples, np.int32),
        lengths=np.full(n_samples, length, np.int32),
        digests=np.arange(n_samples, dtype=np.uint64),
    )
