"""The state of a fine-tuning panel: its keys, what they begin with, and which values make sense.

The twin of `labextension/src/widgets/fine_tuning/state.ts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INITIAL: Mapping[str, Any] = {
    "job": None,
    "form": None,
    "tab": "curves",
    "smoothing": 0,
    "log_scale": False,
    "axis": "step",
    "below": ["learning_rate"],
    "others": [],
    "probe_step": None,
    "probe_diff": False,
    "try_prompt": "",
    "trying": [],
}

CHOICES: Mapping[str, tuple[str, ...]] = {
    "tab": ("curves", "probes", "checkpoints", "log"),
    "axis": ("step", "seconds"),
}
"""What those parts of the state can be that are words."""
BELOW = ("learning_rate", "tokens_per_second", "memory", "grad_norm")

MOST_SMOOTHING = 0.99
MAX_OTHERS = 6
"""More curves can't be told apart."""
MAX_TRIED = 4
MAX_STEP = 10**12
MAX_ID = 200
"""Characters of a job's id."""


def makes_sense(key: str, value: Any) -> bool:
    """Return whether a value of the state makes sense by itself; whether a job or a step is there, its answers tell."""
    match key:
        case "job":
            found = value is None or _is_id(value)
        case "form":
            found = value is None or (isinstance(value, Mapping) and all(isinstance(each, str) for each in value))
        case "smoothing":
            found = type(value) in (int, float) and 0 <= value <= MOST_SMOOTHING
        case "below":
            found = _is_list(value, len(BELOW)) and all(each in BELOW for each in value)
        case "others":
            found = _is_list(value, MAX_OTHERS) and all(map(_is_id, value))
        case "trying":
            found = _is_list(value, MAX_TRIED) and all(map(_is_step, value))
        case "probe_step":
            found = value is None or _is_step(value)
        case "try_prompt":
            found = isinstance(value, str)
        case "tab" | "axis":
            found = value in CHOICES[key]
        case _:
            found = type(value) is bool
    return found


def _is_list(value: Any, most: int) -> bool:
    return isinstance(value, list | tuple) and len(value) <= most


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID


def _is_step(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_STEP
