"""Finding, checking and reading the files of a model, before any of them is believed.

A model string is `repo-or-path[@revision][+adapter[:step]]`, where a path that exists wins over the parts. Only
safetensors are read, and nothing in a model's repository is ever run. Knows nothing of torch.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_notebook import storyteller
from gpt_notebook.errors import ModelDamaged, ModelNotFound, ModelUnsafe, ModelUnsupported
from gpt_notebook.protocol import DEFAULT_MODEL

ReportBytes = Callable[[int, int], None]
"""Is told how many bytes of how many are there."""

PICKLED_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
SAVED_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
READ_SIZE = 8 * 1024**2
HEADER_LIMIT = 100 * 1024**2
"""The safetensors format's own bound on its header."""


@dataclass(frozen=True)
class Source:
    """Where the files of a model are."""

    name: str
    """As the user calls it."""
    directory: Path
    commit: str | None = None
    """The hub's commit; None for a local directory, which can change under our feet."""

    @property
    def weight_files(self) -> list[Path]:
        """The safetensors files."""
        return sorted(self.directory.glob("*.safetensors"))

    @property
    def size(self) -> int:
        """The bytes of the weight files."""
        return sum(path.stat().st_size for path in self.weight_files)

    def fingerprint(self) -> str:
        """Return which files exactly: the commit, or a digest of the files' inodes, times and sizes."""
        if self.commit is not None:
            return self.commit
        digest = hashlib.sha256()
        for path in sorted(self.directory.iterdir()):
            if path.suffix in {".json", ".safetensors", ".model", ".txt", ".jinja"}:
                found = path.stat()
                digest.update(f"{path.name}\0{found.st_ino}\0{found.st_mtime_ns}\0{found.st_size}\n".encode())
        return digest.hexdigest()[:16]


def split(model: str) -> tuple[str, str | None]:
    """Return a model string's repository and revision.

    Raises:
        ModelUnsupported: it asks for an adapter.
    """
    base, plus, adapter = model.partition("+")
    if plus:
        message = f"{model!r} asks for the adapter {adapter!r}: adapters cannot be served yet, use {base!r}"
        raise ModelUnsupported(message)
    repository, _, revision = base.partition("@")
    return repository, revision or None


def local(model: str, saved: Path) -> Source | None:
    """Return the source of a bundled, saved or local model, or None for what could be on the hub.

    Args:
        model: a model string.
        saved: the directory of the models that were saved by name.

    Raises:
        ModelNotFound: it reads as a path, and there is no such directory.
    """
    if model == DEFAULT_MODEL:
        return Source(model, storyteller.path())
    path = Path(model).expanduser()
    if path.is_dir() and (path.is_absolute() or "/" in model):
        return Source(model, path.resolve())
    if SAVED_NAME.fullmatch(model) and (saved / model).is_dir():
        return Source(model, (saved / model).resolve())
    if path.is_file():
        message = f"{model} is a file: give the directory that holds config.json and the safetensors"
        raise ModelNotFound(message)
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        message = (
            f"there is no directory {model}: a model is a directory, an id of the Hugging Face hub, or {DEFAULT_MODEL}"
        )
        raise ModelNotFound(message)
    return None


def saved_sources(saved: Path) -> list[Source]:
    """Return the models that were saved by name."""
    if not saved.is_dir():
        return []
    return [
        Source(path.name, path) for path in sorted(saved.iterdir()) if SAVED_NAME.fullmatch(path.name) and path.is_dir()
    ]


def check(source: Source) -> dict[str, Any]:
    """Check that a model's files are whole and harmless, and return its config.

    Raises:
        ModelNotFound: there is no config.
        ModelUnsafe: the weights are pickled, or the model brings code of its own.
        ModelDamaged: a file is incomplete or corrupt.
    """
    config = _read_json(source, "config.json")
    if "auto_map" in config and not _is_known(config):
        message = f"{source.name} needs Python code of its own, which is never run: look for a version that transformers knows"
        raise ModelUnsafe(message)
    if not source.weight_files:
        pickled = sorted(path.name for path in source.directory.iterdir() if path.suffix in PICKLED_SUFFIXES)
        if pickled:
            message = (
                f"{source.name} has only pickled weights ({pickled[0]}), which can run any program when they are read: "
                "save the model again with save_pretrained, which writes safetensors"
            )
            raise ModelUnsafe(message)
        message = f"{source.name} has no weights: {source.directory} holds no .safetensors file"
        raise ModelNotFound(message)
    for name in _indexed_files(source):
        if not (source.directory / name).is_file():
            message = f"{source.name} is incomplete: its index names {name}, which is missing; get the model again"
            raise ModelDamaged(message)
    for path in source.weight_files:
        _check_safetensors(path)
    return config


def _is_known(config: dict[str, Any]) -> bool:
    """Return whether transformers has this kind of model itself, so that code beside the weights is not needed."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return config.get("model_type") in CONFIG_MAPPING_NAMES


def _indexed_files(source: Source) -> set[str]:
    index = source.directory / "model.safetensors.index.json"
    if not index.is_file():
        return set()
    files = _read_json(source, index.name).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        message = f"{index} does not say which weights are where: get the model again"
        raise ModelDamaged(message)
    return set(files.values())


def _read_json(source: Source, name: str) -> dict[str, Any]:
    try:
        found = json.loads((source.directory / name).read_text("utf-8"))
    except FileNotFoundError:
        message = f"{source.name} is no model: {source.directory} holds no {name}"
        raise ModelNotFound(message) from None
    except (OSError, ValueError, RecursionError) as error:
        message = f"{source.directory / name} cannot be read ({error}): get the model again"
        raise ModelDamaged(message) from None
    if not isinstance(found, dict):
        message = f"{source.directory / name} is not a JSON object: get the model again"
        raise ModelDamaged(message)
    return found


def _check_safetensors(path: Path) -> None:
    """Compare a file's size with what its header promises; a truncated one would fail at its first use, in mid-token.

    The format: 8 bytes little-endian header length, a JSON header with each tensor's `data_offsets`, the data; see
    https://github.com/huggingface/safetensors#format.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > HEADER_LIMIT:
                message = "its header is impossibly long"
                raise ValueError(message)  # noqa: TRY301 - one place says what is wrong with a file
            header = json.loads(file.read(length))
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        if (size := path.stat().st_size) != 8 + length + end:
            message = f"it has {size:,} bytes and should have {8 + length + end:,}"
            raise ValueError(message)  # noqa: TRY301
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        message = f"{path} is damaged ({error}): get the model again"
        raise ModelDamaged(message) from None


def read_ahead(source: Source, report: ReportBytes) -> None:
    """Read the weight files once, so that their pages are in memory when they are mapped, and say how far it is."""
    total, done = source.size, 0
    for chunk in _chunks(source.weight_files):
        done += chunk
        report(done, total)


def _chunks(paths: list[Path]) -> Iterator[int]:
    buffer = bytearray(READ_SIZE)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                yield count
