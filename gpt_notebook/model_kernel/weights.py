"""Finding a model, and judging by its files whether it may be loaded.

A model string is `repo-or-path[@revision][+adapter[:step]]`, where a path that exists wins over the parts; here it has
lost its adapter. Only safetensors are read, and nothing in a model's repository is ever run. Knows nothing of torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gpt_notebook import adapter_places, storyteller
from gpt_notebook.errors import ModelDamaged, ModelNotFound, ModelUnsafe, ModelUnsupported
from gpt_notebook.job_files import publishing
from gpt_notebook.model_kernel import model_files
from gpt_notebook.model_kernel.model_files import Stored
from gpt_notebook.protocol import DEFAULT_MODEL

ReportBytes = Callable[[int, int], None]
"""Is told how many bytes of how many are there."""

PICKLED_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
READ_SIZE = 8 * 1024**2
LAYER_NAMES = (
    *("num_hidden_layers", "num_layers", "n_layer", "n_layers"),
    *("encoder_layers", "decoder_layers", "num_encoder_layers", "num_decoder_layers"),
)


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
        """The files that will be read for weights, which must be safetensors of this directory.

        Raises:
            ModelUnsafe: the index names something else.
            ModelDamaged: the index cannot be read, or names what is missing.
        """
        return model_files.weight_files(self.directory)

    @property
    def size(self) -> int:
        """The bytes of all safetensors; asks nothing of them."""
        return sum(path.stat().st_size for path in self.directory.glob("*.safetensors") if path.is_file())

    @cached_property
    def stored(self) -> Stored:
        """What the weight files hold.

        Raises:
            ModelDamaged: one of them is truncated or corrupt.
        """
        headers = [model_files.read_header(path) for path in self.weight_files]
        return Stored(sum(header.tensors for header in headers), sum(header.elements for header in headers))

    def fingerprint(self) -> str:
        """Return which files exactly: the commit, or a digest of the files' inodes, times and sizes."""
        if self.commit is not None:
            return self.commit
        digest = hashlib.sha256()
        for path in sorted(self.directory.iterdir()):
            if path.suffix in model_files.READ_SUFFIXES:
                found = path.stat()
                digest.update(f"{path.name}\0{found.st_ino}\0{found.st_mtime_ns}\0{found.st_size}\n".encode())
        return digest.hexdigest()[:16]


def split(model: str) -> tuple[str, str | None]:
    """Return the repository and the revision of a model string without its adapter."""
    repository, _, revision = model.partition("@")
    return repository, revision or None


def local(model: str, saved: Path) -> Source | None:
    """Return the source of a bundled, saved or local model, or None for what could be on the hub.

    Args:
        model: a model string.
        saved: the directory of the models that were saved by name.

    Raises:
        ModelNotFound: it reads as a path, and there is no such directory.
    """
    try:
        return _local(model, saved)
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"{model[:80]!r} cannot be opened ({reason}): give a directory, an id of the Hugging Face hub, or {DEFAULT_MODEL}"
        raise ModelNotFound(message) from None


def _local(model: str, saved: Path) -> Source | None:
    if model == DEFAULT_MODEL:
        return Source(model, storyteller.path())
    path = Path(model).expanduser()
    if path.is_dir() and (path.is_absolute() or "/" in model):
        return Source(model, path.resolve())
    if (step := publishing.checkpoint(model, saved.parent)) is not None:
        return Source(model, step.resolve())
    if adapter_places.NAME.fullmatch(model) and (saved / model).is_dir():
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
        Source(path.name, path.resolve())
        for path in sorted(saved.iterdir())
        if adapter_places.NAME.fullmatch(path.name) and path.is_dir()
    ]


def check(source: Source) -> dict[str, Any]:
    """Check that a model's files are whole and harmless, and return its config.

    Raises:
        ModelNotFound: there is no config.
        ModelUnsafe: the weights are pickled, or the model brings code of its own.
        ModelDamaged: a file is incomplete or corrupt.
        ModelUnsupported: the weights are quantized, or those of an adapter.
    """
    model_files.check(source.directory)
    if adapter_places.is_adapter(source.directory):
        message = f"{source.name} is an adapter: write {adapter_places.base_of(source.directory)}+{source.name}"
        raise ModelUnsupported(message)
    config = model_files.read_json(source.directory / "config.json")
    if "auto_map" in config and not _is_known(config):
        message = f"{source.name} needs Python code of its own, which is never run: look for a version that transformers knows"
        raise ModelUnsafe(message)
    if quantization := config.get("quantization_config"):
        method = quantization.get("quant_method") if isinstance(quantization, dict) else quantization
        message = f"{source.name} is quantized ({method!r:.40}), which cannot be loaded: look for its weights in full precision"
        raise ModelUnsupported(message)
    if not source.weight_files:
        raise _no_weights(source)
    _check_layers(source, config)
    return config


def _no_weights(source: Source) -> ModelUnsafe | ModelNotFound:
    pickled = sorted(path.name for path in source.directory.iterdir() if path.suffix in PICKLED_SUFFIXES)
    if not pickled:
        return ModelNotFound(
            f"{source.name} has no weights: {source.directory} holds no {model_files.WHOLE}: save the model there with save_pretrained"
        )
    return ModelUnsafe(
        f"{source.name} has only pickled weights ({pickled[0]}), which can run any program when they are read: "
        "save the model again with save_pretrained, which writes safetensors"
    )


def _check_layers(source: Source, config: dict[str, Any]) -> None:
    """Compare the number of layers with the files: making a million layers takes memory before it fails."""
    text = config.get("text_config")
    for values in (config, text if isinstance(text, dict) else {}):
        for name in LAYER_NAMES:
            layers = values.get(name, 1)
            if isinstance(layers, int) and not 0 < layers <= source.stored.tensors:
                message = f"{source.name} is damaged: its config asks for {layers:,} layers, and its files hold {source.stored.tensors:,} tensors"
                raise ModelDamaged(message)


def _is_known(config: dict[str, Any]) -> bool:
    """Return whether transformers has this kind of model itself, so that code beside the weights is not needed."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return str(config.get("model_type")) in CONFIG_MAPPING_NAMES


def read_ahead(source: Source, report: ReportBytes) -> None:
    """Read the weight files once, so that their pages are in memory when they are mapped, and say how far it is."""
    paths = source.weight_files
    total, done = sum(path.stat().st_size for path in paths), 0
    for chunk in _chunks(paths):
        done += chunk
        report(done, total)


def _chunks(paths: list[Path]) -> Iterator[int]:
    buffer = bytearray(READ_SIZE)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                yield count
