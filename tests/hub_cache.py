"""Models in the hub's cache, as huggingface_hub lays them out."""

from __future__ import annotations

from pathlib import Path


def downloaded(cache: Path, name: str, files: tuple[str, ...] = ("config.json", "model.safetensors")) -> None:
    """Put a model there."""
    snapshot = cache / name / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (cache / name / "refs").mkdir()
    (cache / name / "refs" / "main").write_text("c0ffee")
    for file in files:
        (snapshot / file).write_text("12345")
