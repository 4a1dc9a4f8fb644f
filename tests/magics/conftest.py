"""Fixtures for the tests of magics."""

from __future__ import annotations

import pytest

from gpt_notebook.testing import FakeEngine, serving


@pytest.fixture
def engine(monkeypatch, settings):
    """An engine with two models, which cells find."""
    engine = FakeEngine("and <b>that</b> was that.", models=("storyteller", "other"))
    with serving(engine) as served:
        monkeypatch.setenv("GPT_NOTEBOOK_URL", served.address)
        monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", served.token)
        yield engine
