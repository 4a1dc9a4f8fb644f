"""A model kernel with the fake engine, and the attention of a text in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attention_stubs import TEXT

import gpt_notebook as gpt
from gpt_notebook.attention_maps.maps import Attention
from gpt_notebook.testing import FakeEngine, serving


@pytest.fixture
def engine(settings, monkeypatch) -> Iterator[FakeEngine]:
    """The engine behind the model kernel that the public functions find."""
    engine = FakeEngine("and that was that.", models=("storyteller", "other"))
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        yield engine


@pytest.fixture
def attention(engine) -> Attention:
    return gpt.attention(TEXT)
