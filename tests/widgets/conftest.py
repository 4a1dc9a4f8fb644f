"""Fixtures for the tests of panels."""

from __future__ import annotations

from pathlib import Path

import comm
import pytest
from panel_views import FakeComm

from gpt_notebook.widgets.attention import AttentionPanel

BUNDLE = "export const showSaved = (element, saved) => { element.textContent = Object.keys(saved).join(); };"
STYLE = ".gpt-panel { color: inherit; }"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have panels that were built, whether they were or not; returns where the bundles are."""
    (tmp_path / "attention.js").write_text(BUNDLE, "utf-8")
    (tmp_path / "attention.css").write_text(STYLE, "utf-8")
    monkeypatch.setattr(AttentionPanel, "_missing", None)
    monkeypatch.setattr(AttentionPanel, "_esm", BUNDLE)
    monkeypatch.setattr(AttentionPanel, "_css", STYLE)
    monkeypatch.setattr("gpt_notebook.widgets.attention.STATIC", tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def fake_comms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have widgets talk to a browser that is not there."""
    monkeypatch.setattr(comm, "create_comm", FakeComm)
