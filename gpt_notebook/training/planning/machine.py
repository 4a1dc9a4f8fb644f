"""What this machine has for a training: its free memory, and how fast it computes, as it is measured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import psutil
import torch
from torch.nn import functional

MEASURING_SECONDS = 0.1
MEASURED_TIMES = 30
"""How often an operation is measured at least: on a busy machine most of its runs wait for others."""
PATIENCE = 0.5
"""Seconds that a measurement takes at most, unless one operation is slower."""
SHAPE = (512, 768, 3072)
"""Rows, input and output features of the product that is measured, as in a layer of a model of 124 million parameters."""


def free_memory(device: torch.device) -> int:
    """Return the bytes of a device that nobody has."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def measured_flops(dtype: torch.dtype, device: torch.device) -> float:
    """Return how many floating-point operations a second it does in a product, from 0.1 s of them, or more on a busy machine."""
    rows, inputs, outputs = SHAPE
    x = torch.ones(rows, inputs, dtype=dtype, device=device)
    weights = torch.ones(outputs, inputs, dtype=dtype, device=device)
    return 2.0 * rows * inputs * outputs / _seconds(lambda: functional.linear(x, weights), device)


def measured_traffic(device: torch.device) -> float:
    """Return how many bytes a second come out of elementwise operations, from 0.1 s of one, or more."""
    x = torch.ones(SHAPE[0], SHAPE[2], device=device)
    return x.nbytes / _seconds(lambda: functional.gelu(x), device)


@torch.no_grad()
def _seconds(operation: Callable[[], Any], device: torch.device) -> float:
    """Return how long an operation takes at best."""
    best, taken, times = math.inf, 0.0, 0
    while taken < MEASURING_SECONDS or (times < MEASURED_TIMES and taken < PATIENCE):
        began = time.perf_counter()
        operation()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds = max(time.perf_counter() - began, 1e-9)
        taken += seconds
        times += 1
        best = min(best, seconds)
    return best
