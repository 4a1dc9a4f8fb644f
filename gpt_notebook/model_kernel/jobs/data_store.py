"""Data for fine-tuning, as they were sent: files of lines of JSON, known by their sha256.

    jobs/.data/SHA256.jsonl     whole, checked line by line, and never changed
    jobs/.data/.tmp-…           on its way in; gone with whoever sends it

A job holds a hard link to its data. What no job links to leaves some days after it came or was last sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import AsyncIterable, Iterator
from pathlib import Path
from typing import IO

from gpt_notebook.byte_sizes import size
from gpt_notebook.errors import DataNotFound, DiskFull, InvalidRequest, PayloadTooLarge
from gpt_notebook.job_files.disk import NO_ROOM, TEMPORARY, Disk, sync
from gpt_notebook.job_protocol import DataInfo
from gpt_notebook.settings import MIB

KEPT_SECONDS = 3 * 24 * 3600.0
"""How long data stay that no job has been started with."""
ABANDONED_SECONDS = 3600.0
"""A file on its way in that nobody has written to for this long belongs to a model kernel that is gone."""
MAX_LINE = 16 * MIB
BLOCK = MIB
"""Bytes that are written at once, in a thread."""
SILENT_SECONDS = 60.0
"""Whoever sends nothing for this long has gone."""


class DataStore:
    """The data below GPT_NOTEBOOK_HOME."""

    def __init__(self, home: Path, *, max_bytes: int) -> None:
        """Take at most `max_bytes` at once."""
        self._directory = home / "jobs" / ".data"
        self._max_bytes = max_bytes

    def find(self, digest: str) -> Path:
        """Return the file of data that have been sent.

        Raises:
            DataNotFound: they haven't, or have left since.
        """
        path = self._path(digest)
        if not path.is_file():
            message = f"the data {digest[:12]}… are not here (any more): send them again"
            raise DataNotFound(message)
        return path

    def _path(self, digest: str) -> Path:
        return self._directory / f"{digest}.jsonl"

    async def keep(self, pieces: AsyncIterable[bytes]) -> DataInfo:
        """Keep data that come in pieces of any length; never more than a block of them is in memory.

        Raises:
            InvalidRequest: a line is no JSON object, or there is none; says which.
            PayloadTooLarge: there are too many, or a line is too long.
            DiskFull: there is no space for them.
        """
        incoming = _Incoming(self._directory, self._max_bytes)
        try:
            source, block = aiter(pieces), bytearray()
            while (piece := await _next(source)) is not None:
                block += piece
                if len(block) >= BLOCK:
                    await asyncio.to_thread(incoming.add, bytes(block))
                    block.clear()
            return await asyncio.to_thread(incoming.end, bytes(block))
        finally:
            # Also when the sender has left, and in a thread: the last block may still be on its way to the disk.
            await asyncio.shield(asyncio.to_thread(incoming.discard))

    def tidy(self) -> None:
        """Let go of data that no job links to and that came long ago, and of what was on its way to a model kernel that died."""
        now = time.time()
        with contextlib.suppress(FileNotFoundError):
            for path in list(self._directory.iterdir()):
                with contextlib.suppress(FileNotFoundError):
                    found = path.stat()
                    kept = ABANDONED_SECONDS if path.name.startswith(TEMPORARY) else KEPT_SECONDS
                    if found.st_nlink == 1 and now - found.st_mtime > kept:
                        path.unlink()


def n_rows(path: Path) -> int:
    """Return how many rows a file of data has, which is one a line."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


async def _next(pieces: AsyncIterable[bytes]) -> bytes | None:
    """Return the next piece, None at the end.

    Raises:
        InvalidRequest: nothing has come for long.
    """
    try:
        async with asyncio.timeout(SILENT_SECONDS):
            return await anext(aiter(pieces), None)
    except TimeoutError:
        message = f"the data have not gone on for {SILENT_SECONDS:g} s: send them again"
        raise InvalidRequest(message) from None


class _Incoming:
    """Data on their way in. Its methods take their time; they may be called from any thread."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._path = directory / f"{TEMPORARY}{secrets.token_hex(8)}"
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._discarded = False
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._rows = 0
        self._rest = b""
        """The beginning of a line of which the end has not come yet."""

    def add(self, block: bytes) -> None:
        """Write the next bytes, and check the lines that end in them."""
        with self._lock:
            self._add(block)

    def end(self, block: bytes) -> DataInfo:
        """Write the last bytes, and make the file one of those that are kept."""
        with self._lock:
            file = self._add(block)
            if self._rest:
                self._check(self._rest)
            if not self._rows:
                message = "the data have no rows: send at least one"
                raise InvalidRequest(message, param="data")
            info = DataInfo(digest=self._digest.hexdigest(), rows=self._rows, bytes=self._bytes)
            kept = self._directory / f"{info.digest}.jsonl"
            with _in_one_line(self._directory):
                try:
                    os.utime(kept)  # They are there already, and were sent last now.
                except FileNotFoundError:
                    sync(file.fileno())
                    self._path.rename(kept)
                    Disk().sync(self._directory)
            return info

    def discard(self) -> None:
        """Leave nothing on the way; what is kept stays."""
        with self._lock:
            self._discarded = True
            if self._file is not None:
                self._file.close()
                self._path.unlink(missing_ok=True)

    def _add(self, block: bytes) -> IO[bytes]:
        self._bytes += len(block)
        if self._bytes > self._max_bytes:
            message = (
                f"the data are larger than {size(self._max_bytes)}: send fewer rows, or raise GPT_NOTEBOOK_MAX_DATA "
                "for the model kernel"
            )
            raise PayloadTooLarge(message)
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in lines:
            self._check(line)
        if len(self._rest) > MAX_LINE:
            self._rows += 1
            raise self._too_long()
        self._digest.update(block)
        with _in_one_line(self._directory):
            file, rest = self._opened(), memoryview(block)
            while rest:
                rest = rest[file.write(rest) :]
        return file

    def _opened(self) -> IO[bytes]:
        if self._discarded:
            message = "whoever sent the data has gone"
            raise InvalidRequest(message)
        if self._file is None:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = open(descriptor, "wb", buffering=0)  # noqa: SIM115 - it stays open from block to block
        return self._file

    def _check(self, line: bytes) -> None:
        self._rows += 1
        if len(line) > MAX_LINE:
            raise self._too_long()
        try:
            row = json.loads(line.decode())
        except UnicodeDecodeError as error:
            message = f"line {self._rows:,} is not UTF-8 (byte {error.start:,}): encode the data as UTF-8"
            raise InvalidRequest(message, param="data") from None
        except (ValueError, RecursionError) as error:
            reason = "" if not line.strip() else f" ({str(error)[:80]})"
            message = f"line {self._rows:,} is {'empty' if not line.strip() else 'no JSON'}{reason}: send one JSON object a line"
            raise InvalidRequest(message, param="data") from None
        if not isinstance(row, dict):
            message = f"line {self._rows:,} is no JSON object but {repr(row)[:80]}: send one JSON object a line"
            raise InvalidRequest(message, param="data")

    def _too_long(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"line {self._rows:,} is longer than {size(MAX_LINE)}: cut that row up")


@contextlib.contextmanager
def _in_one_line(directory: Path) -> Iterator[None]:
    """Say in one line what the disk has against it.

    Raises:
        DiskFull: there is no space, or it can't be written there.
    """
    try:
        yield
    except OSError as error:
        reason = "no space left" if error.errno in NO_ROOM else (error.strerror or str(error))
        message = (
            f"the data cannot be kept in {directory} ({reason}): make room, or set GPT_NOTEBOOK_HOME to another place"
        )
        raise DiskFull(message) from None
