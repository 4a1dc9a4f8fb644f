"""Processes that are killed while they save: bench/kills.py in small."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
KILLS = 200


@pytest.fixture
def kills(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import kills

    yield kills
    del sys.modules["kills"]


def test_killed_anywhere_the_newest_acknowledged_checkpoint_loads(kills):
    found, bad = kills.kill_saves(kills=KILLS, seed=1)
    assert found.total() >= KILLS
    assert found[kills.BEGINS] >= 60, "too few were inside a save to say anything"
    assert bad == 0


def test_the_same_kills_do_harm_to_checkpoints_that_are_written_in_place(kills):
    found, bad = kills.kill_saves(kills=5, seed=1, carelessly=True)
    assert found[kills.BEGINS] > 0
    assert bad > 0
