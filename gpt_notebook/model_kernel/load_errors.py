"""What goes wrong while a model is loaded, in one line: transformers' own errors are for its programmers.

A config can make transformers fail in any way, so this knows those that say something about the files, and passes on
the words of the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from gpt_notebook.errors import GptNotebookError, ModelDamaged, ModelUnsupported, OutOfMemory
from gpt_notebook.model_kernel.model_config import NO_TEXT
from gpt_notebook.model_kernel.weights import Source

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


def in_one_line(source: Source, device: torch.device, work: Callable[[], Result]) -> Result:
    """Return what `work` returns, and raise what it raises as an error of ours that holds nothing of the model.

    Raises:
        ModelUnsupported: transformers doesn't know the model, or its config makes no sense.
        ModelDamaged: weights are missing or have the wrong shape.
        OutOfMemory: the machine says so.
        GptNotebookError: as `work` raised it.
    """
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - a config can make transformers fail in any way
        failure = _failure(source, device, error)
    # Raised out here, it has neither context nor the old traceback, whose frames would hold the weights.
    raise failure


def _failure(source: Source, device: torch.device, error: Exception) -> GptNotebookError:
    match error:
        case GptNotebookError():
            return type(error)(error.message, param=error.param)
        case torch.OutOfMemoryError() | MemoryError():
            return OutOfMemory(
                f"no room on {device} for {source.name}: unload another model (%gpt unload) or choose a smaller one"
            )
        case ValueError() if "AutoModel" in str(error):
            return ModelUnsupported(f"{source.name} {NO_TEXT}")
        case ValueError():
            return ModelUnsupported(f"{source.name} cannot be used: {first_line(error)}")
        case RuntimeError() | OSError():
            # transformers' own words advise its programmers.
            reason = "other shapes" if "ignore_mismatched_sizes" in str(error) else first_line(error)
            return ModelDamaged(f"the weights of {source.name} do not fit its config ({reason}): get the model again")
    logger.warning("%s cannot be loaded", source.name, exc_info=error)
    return ModelUnsupported(
        f"{source.name} cannot be loaded ({type(error).__name__}: {first_line(error)}): check its config.json"
    )


def first_line(error: Exception) -> str:
    """Return what an error says in one printable line: the first, and what it introduces."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    line = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return "".join(character for character in line if character.isprintable())[:300]
