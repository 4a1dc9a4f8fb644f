"""The manifest of a checkpoint: its files, how long they are, and the sha256 of each.

    {"step": 40, "digest": "…", "lasting": {"adapter_model.safetensors": {"bytes": …, "sha256": "…"}, …},
     "resume": {"optimizer.pt": …}, "let_go": ["optimizer.pt", …]}

`lasting` is what others use; `resume` what only going on needs, and `let_go` the names of what was, once it has been let go.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from gpt_notebook import adapter_files, adapter_places

FILE = "manifest.json"
RESUME_FILES = (
    "optimizer*",
    "scheduler*",
    "scaler*",
    "rng_state*",
    "trainer_state.json",
    "training_args.bin",
    "resume*",
)
"""Names of what is needed only to go on from a checkpoint."""


@dataclass(frozen=True)
class Manifest:
    """What is in a checkpoint."""

    step: int
    digest: str
    """Of an adapter what its identity is, of a model the sha256 of what is said of its lasting files."""
    lasting: dict[str, Any]
    resume: dict[str, Any]
    let_go: tuple[str, ...] = ()

    @classmethod
    def of(cls, place: Path, files: Iterable[Path], *, step: int) -> Manifest:
        """Return the manifest of files in a directory.

        Raises:
            ValueError: one of them is no file but something else.
        """
        lasting: dict[str, Any] = {}
        resume: dict[str, Any] = {}
        for each in files:
            is_resume = any(fnmatch.fnmatchcase(each.name, pattern) for pattern in RESUME_FILES)
            (resume if is_resume else lasting)[each.relative_to(place).as_posix()] = _measured(each)
        return cls(step, _digest(place, lasting), lasting, resume)

    @classmethod
    def read(cls, place: Path, step: int) -> Manifest | None:
        """Return the manifest that is in a directory; None where it is not what was written there for a step."""
        try:
            found = json.loads((place / FILE).read_bytes())
            # Other versions say more, such as a time.
            named = {field.name: found[field.name] for field in fields(cls)}
            manifest = cls(**{**named, "let_go": tuple(named["let_go"])})
            files = {**manifest.lasting, **manifest.resume}
            is_whole = all(type(file["bytes"]) is int and type(file["sha256"]) is str for file in files.values())
            is_inside = all(map(_is_inside, (*files, *manifest.let_go)))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None
        return manifest if is_whole and is_inside and manifest.step == step and type(manifest.digest) is str else None

    @property
    def size(self) -> int:
        """How many bytes its files have together."""
        return sum(file["bytes"] for file in (*self.lasting.values(), *self.resume.values()))

    def encoded(self) -> bytes:
        """Return it as it is on disk."""
        return json.dumps(vars(self), indent=1).encode()

    def without_resume(self) -> Manifest:
        """Return it with its resume state let go."""
        return Manifest(self.step, self.digest, self.lasting, {}, tuple(sorted(self.resume)))

    def holds(self, place: Path) -> bool:
        """Whether every byte in a directory is what was saved; other files may be there, too."""
        files = {**self.lasting, **self.resume}
        try:
            # Sizes first: what was cut off needs no reading.
            return all((place / name).stat().st_size == file["bytes"] for name, file in files.items()) and all(
                _measured(place / name) == file for name, file in files.items()
            )
        except (OSError, ValueError):
            return False


def _measured(path: Path) -> dict[str, Any]:
    """Return what a manifest says of a file.

    Raises:
        ValueError: it is none.
    """
    if path.is_symlink() or not path.is_file():
        message = f"{path} is not a regular file, and can be no part of a checkpoint"
        raise ValueError(message)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def _digest(place: Path, lasting: dict[str, Any]) -> str:
    """Return which weights exactly: an adapter's identity, or the sha256 of what a manifest says of a model's files."""
    if {adapter_places.CONFIG, adapter_places.WEIGHTS} <= lasting.keys():
        config, weights = ((place / name).read_bytes() for name in (adapter_places.CONFIG, adapter_places.WEIGHTS))
        return adapter_files.digest_of(config, weights)
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()


def _is_inside(name: Any) -> bool:
    """Whether a name leads to a file below the directory that it is relative to."""
    return isinstance(name, str) and not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
