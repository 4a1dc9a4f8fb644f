"""Where all generators of random numbers are, so that a step can be begun again exactly."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def captured(device: torch.device) -> dict[str, Any]:
    """Return where all of them are."""
    state = {"python": random.getstate(), "numpy": np.random.get_state(), "cpu": torch.get_rng_state()}  # noqa: NPY002
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore(state: dict[str, Any], device: torch.device) -> None:
    """Set all of them back to where they were when that was captured."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
