"""A pass forward and backward before the training begins, to see how long it takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gpt_notebook.shortage import is_out_of_memory
from gpt_notebook.training import loss as losses
from gpt_notebook.training import random_state
from gpt_notebook.training.autocast import products_in
from gpt_notebook.training.outcome import NotFinite
from gpt_notebook.training.samples.samples import Sample, Samples


@dataclass(frozen=True)
class Trial:
    """A pass that leaves the model and all random numbers as they were."""

    model: Any
    collate: Callable[[Sequence[Sample]], dict[str, torch.Tensor]]
    training: Samples
    dtype: torch.dtype
    """Of the products."""
    device: torch.device

    def seconds_a_sample(self, micro_batch_size: int) -> float | None:
        """Return what a sample of middle length takes; None where the memory does not suffice for this.

        Raises:
            NotFinite: the loss is NaN or infinite.
        """
        by_length = np.argsort(self.training.sizes, kind="stable").tolist()
        first = max(len(by_length) // 2 - micro_batch_size // 2, 0)
        chosen = [self.training[i] for i in by_length[first : first + micro_batch_size]]
        state = random_state.captured(self.device)
        try:
            return min(self._seconds(chosen) for _ in range(2)) / len(chosen)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None
        finally:
            self.model.zero_grad()
            random_state.restore(state, self.device)

    def _seconds(self, chosen: Sequence[Sample]) -> float:
        began = time.perf_counter()
        with products_in(self.dtype, self.device):
            loss = losses.summed(self.model, self.collate(chosen), self.device)
        loss.backward()  # type: ignore[no-untyped-call]
        if not math.isfinite(loss.item()):
            message = f"the loss is {loss.item()}"
            raise NotFinite(message)
        return time.perf_counter() - began
