"""The Hugging Face hub as this user has set it up: its cache and what is in it, and the token for models that need one.

Looked up where huggingface_hub does, which would cost too much to import here.
"""

from __future__ import annotations

import os
from pathlib import Path

from gpt_notebook.protocol import DEFAULT_MODEL, ModelInfo
from gpt_notebook.settings import HUB_TOKENS


def hub_home() -> Path:
    """Return the directory of the hub's cache and token; it need not exist."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HOME") or cache).expanduser()


def hub_cache() -> Path:
    """Return the directory of the models that have been downloaded; it need not exist."""
    return Path(os.environ.get("HF_HUB_CACHE") or hub_home() / "hub").expanduser()


def cached_models() -> list[ModelInfo]:
    """Return the models that have been downloaded and can be loaded, by name: all that a look at the files tells."""
    return [info for directory in sorted(hub_cache().glob("models--*")) if (info := _cached_model(directory))]


def _cached_model(directory: Path) -> ModelInfo | None:
    try:
        snapshot = directory / "snapshots" / (directory / "refs" / "main").read_text("utf-8").strip()
        size = sum(file.stat().st_size for file in snapshot.glob("*.safetensors"))
    except (OSError, UnicodeDecodeError):
        return None
    if not size or not (snapshot / "config.json").is_file():
        return None
    name = directory.name.removeprefix("models--").replace("--", "/")
    return ModelInfo(name=name, source=name, loaded=False, bytes=size)


def hub_token_for(model: str) -> str | None:
    """Return the token as it is at this moment; None where there is none, and for the bundled model and paths.

    It is in HF_TOKEN, or in the file that `hf auth login` writes.
    """
    if model.partition("+")[0] == DEFAULT_MODEL or Path(model).is_absolute():
        return None
    for variable in HUB_TOKENS:
        if token := os.environ.get(variable, "").strip():
            return token
    path = Path(os.environ.get("HF_TOKEN_PATH") or hub_home() / "token").expanduser()
    try:
        return path.read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
