"""Tiny models as the engine loads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gpt_notebook.model_kernel import loading, weights
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.template_process import TemplateProcess


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


@pytest.fixture
def gpt2(loaded: Callable[..., LoadedModel]) -> LoadedModel:
    return loaded("gpt2")
