"""The finished rows of a `gpt.map` that has not come to its end: kept in a file, so that calling it again goes on.

The file is found by everything that makes the rows what they are, and leaves when the last of them is done: a map that
is complete is made anew. It holds values and no prompts, is its owner's alone, and survives the notebook kernel.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from gpt_notebook.settings import MIB, Settings

MOST_FILES = 20
MOST_BYTES = 256 * MIB
"""What unfinished maps may leave behind; the oldest go first."""

Fits = Callable[[int, Any], bool]
"""Whether a position and a value can be those of a row."""


def directory(settings: Settings) -> Path:
    """Return where unfinished maps are."""
    return settings.home_directory() / "maps"


def key_of(what: Any) -> str:
    """Return a digest of what makes the rows what they are, given as JSON has it."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


class FinishedRows:
    """The values of one map's rows that are done, by position."""

    def __init__(self, path: Path, *, fits: Fits, resume: bool = True) -> None:
        """Read what an earlier call has left, and hold the file; where that can't be, nothing is kept.

        Args:
            path: The file.
            fits: Whether a value that is found can be one of this map's.
            resume: Whether to read it at all.
        """
        self.values: dict[int, Any] = {}
        self.fingerprint: str | None = None
        """Which weights the values are of."""
        self._path = path
        self._fits = fits
        self._file: IO[bytes] | None = None
        with self._or_nothing_more():
            self._file = self._opened()
            if self._file is not None and resume:
                self._read(self._file)
        if not resume:
            self.forget()

    @property
    def kept(self) -> bool:
        """Whether the next call will find what is done in this one."""
        return self._file is not None

    def begin(self, fingerprint: str) -> None:
        """Let the values be of these weights, and forget those that are of others."""
        if fingerprint != self.fingerprint:
            self.forget()
            self.fingerprint = fingerprint
            self._write({"fingerprint": fingerprint})

    def add(self, row: int, value: Any) -> None:
        """Keep the value of a row."""
        self.values[row] = value
        self._write({"row": row, "value": value})

    def forget(self) -> None:
        """Keep nothing: the map is complete, or is to begin again."""
        self.values.clear()
        self.fingerprint = None
        with self._or_nothing_more():
            if self._file is not None:
                self._file.seek(0)
                self._file.truncate()

    def close(self) -> None:
        """Let go of the file; one that says nothing leaves."""
        with self._or_nothing_more():
            if self._file is not None and not self.values:
                self._path.unlink(missing_ok=True)
            self._file, file = None, self._file
            if file is not None:
                file.close()

    def _opened(self) -> IO[bytes] | None:
        """Return the file if nobody else holds it: the same map may run in another notebook at this moment."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._path.exists():
            with contextlib.suppress(FileNotFoundError):  # Somebody else makes room too.
                _make_room(self._path.parent)
        return _held(self._path, os.O_CREAT)

    def _read(self, file: IO[bytes]) -> None:
        """Read the file up to the first line that is torn, and go on from there; anybody may have written into it."""
        end = 0
        for line in file:
            try:
                said: Any = json.loads(line) if line.endswith(b"\n") else None
                if end == 0:
                    self.fingerprint = str(said["fingerprint"])
                else:
                    row, value = said["row"], said["value"]
                    if type(row) is int and self._fits(row, value):
                        self.values[row] = value
            except (ValueError, TypeError, KeyError, RecursionError):
                break
            end += len(line)
        file.seek(end)
        file.truncate()

    def _write(self, said: dict[str, Any]) -> None:
        with self._or_nothing_more():
            if self._file is not None:
                self._file.write(json.dumps(said).encode() + b"\n")
                self._file.flush()

    @contextlib.contextmanager
    def _or_nothing_more(self) -> Iterator[None]:
        """Keep nothing from the first failure on: a full disk must not end a map, which needs no disk."""
        try:
            yield
        except OSError:
            with contextlib.suppress(OSError):
                self._file, file = None, self._file
                if file is not None:
                    file.close()


def _held(path: Path, flags: int = 0) -> IO[bytes] | None:
    """Return a file that nobody else holds, so that nobody else writes or removes it until it is closed.

    None where somebody does, or where there is no file but a link, which leads elsewhere, or a pipe, which never ends.
    """
    while True:
        try:
            number = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o600)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            return None
        file = os.fdopen(number, "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it a moment ago may have removed it: then nobody would find what is written here.
            if os.path.samestat(os.fstat(file.fileno()), path.lstat()):
                return file
        except FileNotFoundError:
            pass
        except OSError:
            file.close()
            return None
        file.close()


def _make_room(path: Path) -> None:
    """Leave only the newest files of others, within what unfinished maps may take, and those of maps that run."""
    total = 0
    files = sorted(path.glob("*.jsonl"), key=lambda each: each.lstat().st_mtime, reverse=True)
    for count, file in enumerate(files, start=1):
        total += file.lstat().st_size
        if count >= MOST_FILES or total > MOST_BYTES:
            held = _held(file)
            if held is not None:
                file.unlink()
                held.close()
