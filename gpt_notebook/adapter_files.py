"""Adapters as files: read once and whole, identified by what is in them, and told of without loading one.

Imports the standard library only, as both sides use it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from gpt_notebook import adapter_places
from gpt_notebook.adapter_places import CONFIG, PICKLED, WEIGHTS
from gpt_notebook.errors import ModelDamaged, ModelNotFound, ModelUnsafe
from gpt_notebook.protocol import AdapterInfo

CONFIG_LIMIT = 1024**2
HEADER_LIMIT = 16 * 1024**2
WEIGHTS_LIMIT = 1024**3
"""Bytes; the adapters of the largest models have some hundred MiB."""


@dataclass(frozen=True)
class AdapterFiles:
    """The bytes of an adapter's two files, read once: what happens to the files afterwards changes nothing."""

    directory: Path
    config: bytes
    weights: bytes
    digest: str
    """sha256 over both."""


def stamp(place: Path) -> tuple[int, ...]:
    """Return what changes when one of an adapter's files is replaced: inodes, times in nanoseconds and sizes.

    Raises:
        ModelNotFound: there is no adapter.
        ModelUnsafe: its weights are pickled.
        ModelDamaged: something else has the name of one of its files, or one is too large.
    """
    return tuple(
        value
        for name, limit in ((CONFIG, CONFIG_LIMIT), (WEIGHTS, WEIGHTS_LIMIT))
        for found in [_examined(place, name, limit)]
        for value in (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
    )


def read(place: Path) -> AdapterFiles:
    """Read an adapter.

    Raises:
        ModelNotFound: there is no adapter.
        ModelUnsafe: its weights are pickled.
        ModelDamaged: a file can't be read, or is being written.
    """
    before = stamp(place)
    try:
        config, weights = ((place / name).read_bytes() for name in (CONFIG, WEIGHTS))
    except OSError as error:
        message = f"{place} cannot be read ({error.strerror}): save the adapter again"
        raise ModelDamaged(message) from None
    if stamp(place) != before:
        message = f"{place} is being written: try again when that has ended"
        raise ModelDamaged(message)
    return AdapterFiles(place, config, weights, digest_of(config, weights))


def digest_of(config: bytes, weights: bytes) -> str:
    """Return which adapter exactly."""
    digest = hashlib.sha256(len(config).to_bytes(8, "little"))
    digest.update(config)
    digest.update(weights)
    return digest.hexdigest()


def header_of(weights: bytes) -> dict[str, Any]:
    """Return the header of safetensors, of which there may be no more: what each tensor's dtype and shape are.

    Raises:
        ValueError: that is none.
    """
    length = int.from_bytes(weights[:8], "little")
    if len(weights) < 8 or length > HEADER_LIMIT:  # noqa: PLR2004 - the bytes of its length
        message = f"its header would have {length:,} bytes"
        raise ValueError(message)
    header = json.loads(weights[8 : 8 + length], parse_constant=_no_number)
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    for name, entry in entries.items():
        if not all(type(size) is int and 0 <= size <= len(weights) for size in entry["shape"]):
            message = f"the shape of {name[:80]} is none"
            raise ValueError(message)
    return entries


def _no_number(constant: str) -> NoReturn:
    """Refuse what Python's JSON reads beyond JSON: NaN and infinity.

    Raises:
        ValueError: always.
    """
    message = f"{constant} is no number"
    raise ValueError(message)


def read_config(text: bytes) -> dict[str, Any]:
    """Return what an adapter's config says.

    Raises:
        ValueError: it is no JSON object.
    """
    found = json.loads(text, parse_constant=_no_number)
    if not isinstance(found, dict):
        message = "it is not a JSON object"
        raise ValueError(message)  # noqa: TRY004 - it is the file's value that is wrong
    return found


def listing(home: Path) -> list[AdapterInfo]:
    """Return the adapters that have a name, as far as their files tell; of a damaged one little more than its name."""
    return [_described(name, adapter_places.directory(home) / name) for name in adapter_places.names(home)]


def _described(name: str, place: Path) -> AdapterInfo:
    best = adapter_places.best(place)
    told = AdapterInfo(
        name=name, source=str(place), steps=tuple(adapter_places.steps(place)), best=None if best is None else int(best)
    )
    newest = adapter_places.newest(place)
    try:
        return dataclasses.replace(told, **_content(newest, stamp(newest)))
    except ModelUnsafe:
        return dataclasses.replace(told, problem="pickled")
    except ModelNotFound:
        return dataclasses.replace(told, problem="incomplete")
    except (ModelDamaged, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return dataclasses.replace(told, problem="damaged")


@functools.lru_cache(maxsize=256)
def _content(place: Path, _stamp: tuple[int, ...]) -> dict[str, Any]:
    """Return what an adapter's files say, as fields of `AdapterInfo`; read again when their stamp is another."""
    files = read(place)
    config, header = read_config(files.config), header_of(files.weights)
    _check_length(files.weights, header)
    return {
        "base": str(config.get("base_model_name_or_path") or "")[:200],
        "rank": int(config["r"]),
        "parameters": sum(math.prod(entry["shape"]) for entry in header.values()),
        "bytes": len(files.weights),
        "digest": files.digest,
    }


def _check_length(weights: bytes, header: dict[str, Any]) -> None:
    """See that the tensors are all there.

    Raises:
        ValueError: the file was cut off, or goes on behind them.
    """
    ends = (entry["data_offsets"][1] for entry in header.values())
    if 8 + int.from_bytes(weights[:8], "little") + max(ends, default=0) != len(weights):
        message = "its tensors do not end where the file does"
        raise ValueError(message)


def _examined(place: Path, name: str, limit: int) -> os.stat_result:
    """See that a file is there and ends: a pipe or a device would keep its reader for good."""
    path = place / name
    try:
        found = path.stat()
    except OSError as error:
        raise _missing(place, name, error) from None
    if not stat.S_ISREG(found.st_mode):
        message = f"{path} is not a regular file: save the adapter again"
        raise ModelDamaged(message)
    if found.st_size > limit:
        message = (
            f"{path} has {found.st_size:,} bytes, and more than {limit:,} are not read: save an adapter of a lower rank"
        )
        raise ModelDamaged(message)
    return found


def _missing(place: Path, name: str, error: OSError) -> ModelNotFound | ModelUnsafe | ModelDamaged:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return ModelDamaged(f"{place / name} cannot be read ({error.strerror}): save the adapter again")
    if name == WEIGHTS and (place / PICKLED).exists():
        return ModelUnsafe(
            f"{place} has only pickled weights ({PICKLED}), which can run any program when they are read: "
            "save the adapter again with save_pretrained, which writes safetensors"
        )
    if name == CONFIG and adapter_places.holds(str(place), "config.json"):
        return ModelNotFound(f"{place} is a model and no adapter: use it as the model itself")
    return ModelNotFound(f"{place} is no adapter: it holds no {name}; save one there with save_pretrained")
