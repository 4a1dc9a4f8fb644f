"""Memory: how much was used, and how what nobody holds is given back."""

from __future__ import annotations

import contextlib
import gc
import resource
import sys
from pathlib import Path

import torch


def peak(device: torch.device) -> int:
    """Return the most bytes that the process, or on a GPU its tensors, had so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, StopIteration):
        # Linux also counts in ru_maxrss what the process that started this one had.
        with Path("/proc/self/status").open(encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("VmHWM:")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def give_back(device: torch.device) -> None:
    """Return what nobody holds any more to the machine."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
