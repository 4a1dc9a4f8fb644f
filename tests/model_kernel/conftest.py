"""Tiny models on disk, and engines that know no others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from gpt_notebook.model_kernel import loading, weights
from gpt_notebook.model_kernel.engine import Engine
from gpt_notebook.model_kernel.loaded_model import LoadedModel
from gpt_notebook.model_kernel.native import library
from gpt_notebook.protocol import LoadRequest
from gpt_notebook.settings import Settings
from gpt_notebook.template_process import TemplateProcess
from model_kernel import tiny_models
from model_kernel.asking import all_of

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
library.prepare(Settings.from_environment().compiled_directory())
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Returns the directory of a tiny model of a family, made at its first use; do not write into it."""
    made: dict[str, str] = {}

    def directory(family: str = "gpt2", **options: Any) -> str:
        key = f"{family} {sorted(options.items())}"
        if key not in made:
            made[key] = str(tiny_models.save(tmp_path_factory.mktemp("models") / family, family, **options))
        return made[key]

    return directory


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
def own_tiny(tmp_path: Path) -> Path:
    """The directory of a tiny model that the test may change."""
    return tiny_models.save(tmp_path / "tiny")


@pytest.fixture(scope="session")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that keeps its models from test to test."""
    engine = Engine(Settings(home=tmp_path_factory.mktemp("home")))
    yield engine
    engine.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with nothing loaded."""
    engine = Engine(Settings(home=tmp_path / "home"))
    yield engine
    engine.close()


@pytest.fixture
def refusal(engine):
    """Loads a model that can't be loaded, and returns the error after checking that it is one line."""

    def load(model, kind):
        with pytest.raises(kind) as raised:
            all_of(engine.load(LoadRequest(model=str(model))))
        assert type(raised.value) is kind
        message = raised.value.message
        assert "\n" not in message
        assert len(message) < 500
        return message

    return load
