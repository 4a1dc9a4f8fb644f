"""Computations without a scheduler, and what they give."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gpt_notebook.attention_protocol import Part, Values
from gpt_notebook.model_kernel.attention.calls import AttentionCall
from gpt_notebook.model_kernel.attention.capture import Capture, Text
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.recording import Recording
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.served import Served
from gpt_notebook.settings import MIB


def run(work: Computation, *, seconds: float = 0.1) -> list[Any]:
    """Do a computation to its end and return what it emitted."""
    emitted: list[Any] = []
    work.emit = emitted.append
    work.seconds = seconds
    while work.step():
        pass
    return emitted


def result(work: Computation, *, seconds: float = 0.1) -> Any:
    """Do a computation to its end and return the last that it emitted."""
    return run(work, seconds=seconds)[-1]


def capture_of(model: LoadedModel, token_ids: Any, target_ids: Any = ()) -> Capture:
    """The attention of a text."""
    return run(Recording(Served(model, name=model.source.name), Text(tuple(token_ids), tuple(target_ids)), 64 * MIB))[
        -1
    ]


def array_of(work: Computation, *, seconds: float = 0.1) -> np.ndarray:
    """The array that a computation emits, shape first."""
    shape, *blocks = run(work, seconds=seconds)
    return np.frombuffer(b"".join(blocks), np.float32).reshape(shape)


def random_ids(count: int, *, below: int = 300, seed: int = 1) -> list[int]:
    """Token ids of a text that no tokenizer made."""
    return torch.randint(1, below, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


def whole_maps(source: MapSource, part: Part = "decoder", values: Values = "weights") -> dict[int, np.ndarray]:
    """All maps of a part, in one go: (head, query, key) for each layer that has attention."""
    with torch.inference_mode():
        return {
            layer: source.rows((part, layer), None, 0, source.n_queries(part), values).numpy()
            for layer in source.capture.layout.parts[part].count
        }


class Observer:
    """Notes the attention calls that it sees, and may answer them."""

    def __init__(self, answer: torch.Tensor | None = None) -> None:
        self.calls: list[AttentionCall] = []
        self.answer = answer

    def attended(self, call: AttentionCall) -> torch.Tensor | None:
        self.calls.append(call)
        return self.answer
