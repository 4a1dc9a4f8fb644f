"""Tiny models as the engine loads them, and computations without a scheduler."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gpt_notebook.attention_protocol import Part, Values
from gpt_notebook.model_kernel import loading, weights
from gpt_notebook.model_kernel.attention.pieces import Computation
from gpt_notebook.model_kernel.attention.recording import Capture, Recording, Text
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.loading import LoadedModel
from gpt_notebook.model_kernel.template_process import TemplateProcess
from gpt_notebook.settings import MIB


@pytest.fixture(scope="session")
def loaded(tiny: Callable[..., str]) -> Iterator[Callable[..., LoadedModel]]:
    """Returns a tiny model of a family as the engine has it."""
    made: dict[str, LoadedModel] = {}
    templates = TemplateProcess()

    def load(family: str = "gpt2", **options: Any) -> LoadedModel:
        directory = tiny(family, **options)
        if directory not in made:
            source = weights.local(directory, Path("/nowhere"))
            weights.check(source)
            made[directory] = loading.load(source, "auto", torch.device("cpu"), templates)
        return made[directory]

    yield load
    templates.close()


def run(work: Computation, *, seconds: float = 0.1) -> list[Any]:
    """Do a computation to its end and return what it emitted."""
    emitted: list[Any] = []
    work.emit = emitted.append
    work.seconds = seconds
    while work.step():
        pass
    return emitted


def finish(work: Generator[None, None, Any]) -> Any:
    """Return what a generator of pieces returns."""
    with torch.inference_mode():
        while True:
            try:
                next(work)
            except StopIteration as end:
                return end.value


def capture_of(model: LoadedModel, token_ids: Any, target_ids: Any = ()) -> Capture:
    """The attention of a text."""
    return run(Recording(model, Text(tuple(token_ids), tuple(target_ids)), 64 * MIB))[-1]


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
