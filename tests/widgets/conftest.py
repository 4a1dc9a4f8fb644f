"""Fixtures for the tests of panels."""

from __future__ import annotations

from pathlib import Path

import comm
import pytest
from panel_views import FakeComm

from gpt_notebook.widgets.attention import AttentionPanel
from gpt_notebook.widgets.fine_tuning import FineTuningPanel

BUNDLE = "export const showSaved = (element, saved) => { element.textContent = Object.keys(saved).join(); };"
STYLE = ".gpt-panel { color: inherit; }"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have panels that were built, whether they were or not; returns where the bundles are."""
    for panel, name in ((AttentionPanel, "attention"), (FineTuningPanel, "fine_tuning")):
        (tmp_path / f"{name}.js").write_text(BUNDLE, "utf-8")
        (tmp_path / f"{name}.css").write_text(STYLE, "utf-8")
        monkeypatch.setattr(panel, "_missing", None)
        monkeypatch.setattr(panel, "_esm", BUNDLE, raising=False)
        monkeypatch.setattr(panel, "_css", STYLE, raising=False)
        monkeypatch.setattr(f"gpt_notebook.widgets.{name}.STATIC", tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def fake_comms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have widgets talk to a browser that is not there."""
    monkeypatch.setattr(comm, "create_comm", FakeComm)
