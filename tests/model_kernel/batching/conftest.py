"""Companies of generations, and what their passes were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from gpt_notebook.model_kernel.batching import passes, texts
from model_kernel.asking import Reference
from model_kernel.batching.company import Company

PIECE = 16
"""Tokens of a piece in these tests, so that short texts take several."""


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    monkeypatch.setattr(texts, "PIECE", {"cpu": PIECE})


@pytest.fixture
def company(loaded) -> Callable[..., Company]:
    """Makes the batch of a tiny model of a family."""

    def make(family: str = "llama", *, of: dict[str, Any] | None = None, **options: Any) -> Company:
        return Company(loaded(family, **(of or {})), **options)

    return make


@pytest.fixture(scope="session")
def reference(tiny) -> Callable[[str], Reference]:
    """Returns transformers' own model of a family."""
    made: dict[str, Reference] = {}

    def find(family: str) -> Reference:
        if family not in made:
            made[family] = Reference(tiny(family))
        return made[family]

    return find


@dataclass
class Passes:
    """What has been read since somebody looked."""

    read: list[tuple[int, ...]] = field(default_factory=list)
    """The lengths of the pieces of each reading pass."""
    steps: list[int] = field(default_factory=list)
    """The rows of each step."""

    @property
    def tokens_read(self) -> int:
        return sum(map(sum, self.read))

    def clear(self) -> None:
        self.read.clear()
        self.steps.clear()


@pytest.fixture
def seen(monkeypatch) -> Passes:
    """Watches the passes of all models."""
    found = Passes()
    real_read, real_step = passes.read, passes.step

    def read(model, pieces):
        found.read.append(tuple(len(piece.token_ids) for piece in pieces))
        return real_read(model, pieces)

    def step(model, slots, *arguments, **options):
        found.steps.append(len(slots))
        return real_step(model, slots, *arguments, **options)

    monkeypatch.setattr(passes, "read", read)
    monkeypatch.setattr(passes, "step", step)
    return found
