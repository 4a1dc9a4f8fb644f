"""Tiny models as the engine loads them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gpt_notebook.model_kernel.loaded_model import LoadedModel


@pytest.fixture
def gpt2(loaded: Callable[..., LoadedModel]) -> LoadedModel:
    return loaded("gpt2")
