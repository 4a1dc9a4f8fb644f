"""Reading the files of a model's directory, before any of them is believed.

Only safetensors are read as weights; every other format can run a program. Knows nothing of torch.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt_notebook.errors import ModelDamaged, ModelNotFound, ModelUnsafe

HEADER_LIMIT = 100 * 1024**2
"""The safetensors format's own bound on its header."""
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
"""What transformers looks for, in this order."""
READ_SUFFIXES = (".json", ".safetensors", ".model", ".txt", ".jinja")
"""The files of a directory that may be read."""
SIZE_LIMITS = {"config.json": 10 * 1024**2, INDEX: 64 * 1024**2}
SIZE_LIMIT = 256 * 1024**2
"""The bytes of any other file that is not weights; the largest tokenizers have some 30 MiB."""


@dataclass(frozen=True)
class Stored:
    """What the headers of weight files promise."""

    tensors: int
    elements: int


def check(directory: Path) -> None:
    """See that what may be read is a file and ends: a pipe or a device would keep its reader for good.

    Raises:
        ModelDamaged: something else has the name of such a file, or it is too large.
    """
    try:
        for path in itertools.chain(directory.iterdir(), directory.glob("additional_chat_templates/*")):
            if path.suffix in READ_SUFFIXES and not path.name.startswith("."):
                _check_file(path, path.stat())
    except OSError as error:
        message = f"{error.filename} cannot be read ({error.strerror}): get the model again"
        raise ModelDamaged(message) from None


def _check_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        message = f"{path} is not a regular file: get the model again"
        raise ModelDamaged(message)
    limit = SIZE_LIMITS.get(path.name, SIZE_LIMIT)
    if path.suffix != ".safetensors" and found.st_size > limit:
        message = f"{path} has {found.st_size:,} bytes, and more than {limit:,} are not read: get the model again"
        raise ModelDamaged(message)


def weight_files(directory: Path) -> list[Path]:
    """Return the files that transformers will read for weights.

    Raises:
        ModelUnsafe: the index names something else than safetensors of this directory.
        ModelDamaged: the index cannot be read, or names what is missing.
    """
    if (directory / WHOLE).is_file():
        return [directory / WHOLE]
    if not (directory / INDEX).is_file():
        return []
    index = directory / INDEX
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        message = f"{index} does not say which weights are where: get the model again"
        raise ModelDamaged(message)
    return [_named(index, name) for name in sorted(set(names.values()))]


def _named(index: Path, name: str) -> Path:
    if Path(name).name != name or name.startswith(".") or not name.endswith(".safetensors"):
        message = f"{index} names {name!r:.80}: only safetensors beside it are read, as other files can run any program"
        raise ModelUnsafe(message)
    path = index.parent / name
    if path not in index.parent.iterdir():
        message = f"{index} names {name!r:.80}, which is missing: get the model again"
        raise ModelDamaged(message)
    return path


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file.

    Raises:
        ModelNotFound: there is no such file.
        ModelDamaged: it holds something else.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        message = f"{path.parent} is no model: it holds no {path.name}"
        raise ModelNotFound(message) from None
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path} cannot be read ({error}): get the model again"
        raise ModelDamaged(message) from None
    if not isinstance(found, dict):
        message = f"{path} is not a JSON object: get the model again"
        raise ModelDamaged(message)
    return found


def read_header(path: Path) -> Stored:
    """Return what a file holds, having compared its size with what its header promises.

    A truncated file would fail at its first use, in mid-token. The format: 8 bytes little-endian header length, a JSON
    header with each tensor's `dtype` and `data_offsets`, the data without a hole or an overlap; see
    https://github.com/huggingface/safetensors#format.

    Raises:
        ModelDamaged: it is truncated or corrupt.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > HEADER_LIMIT:
                message = "its header is impossibly long"
                raise ValueError(message)  # noqa: TRY301 - one place says what is wrong with a file
            header = json.loads(file.read(length))
        entries = [entry for name, entry in header.items() if name != "__metadata__"]
        sizes = [max(0, entry["data_offsets"][1] - entry["data_offsets"][0]) for entry in entries]
        if (size := path.stat().st_size) != 8 + length + sum(sizes):
            message = f"it has {size:,} bytes and should have {8 + length + sum(sizes):,}"
            raise ValueError(message)  # noqa: TRY301
        elements = sum(size * 8 // _bits(entry["dtype"]) for size, entry in zip(sizes, entries, strict=True))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        message = f"{path} is damaged ({error}): get the model again"
        raise ModelDamaged(message) from None
    return Stored(len(entries), elements)


def _bits(dtype: str) -> int:
    """Return the width of a safetensors dtype, which its name says: F32, BF16, F8_E4M3, but BOOL."""
    found = re.match(r"[A-Z]+([1-9]\d*)", dtype)
    return int(found[1]) if found else 8
