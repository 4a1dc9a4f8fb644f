"""The operations that have to last, one by one: what is synced outlasts a power cut, and nothing else is believed to.

A class, so that tests can put another in its place: one that writes down what is done, or one that is full. Temporary
files begin with `.tmp-`, and lie where they will be renamed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

TEMPORARY = ".tmp-"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Error numbers of a full disk, and of a user who has had his share of it."""


class Disk:
    """Plain calls of the operating system."""

    def make_directory(self, path: Path) -> None:
        """Make a directory that only its owner can enter."""
        path.mkdir(mode=0o700)

    def write(self, path: Path, data: bytes) -> None:
        """Write a file, which is then in memory only."""
        path.write_bytes(data)

    def sync(self, path: Path) -> None:
        """See that a file's bytes are on the disk; of a directory, its names."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            sync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or directory another name; a file takes the place of one that has it."""
        source.rename(target)

    def remove(self, path: Path) -> None:
        """Remove a file or a link."""
        path.unlink()

    def remove_directory(self, path: Path) -> None:
        """Remove an empty directory."""
        path.rmdir()

    def replace(self, path: Path, data: bytes) -> None:
        """Put a file where perhaps another is: whoever reads finds one of the two, and after a power cut as well."""
        temporary = path.with_name(f"{TEMPORARY}{path.name}")
        try:
            self.write(temporary, data)
            self.sync(temporary)
            self.rename(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self.sync(path.parent)

    def remove_tree(self, path: Path) -> None:
        """Remove a directory and what is in it."""
        for each in [*walk(path)][::-1]:
            if each.is_dir() and not each.is_symlink():
                self.remove_directory(each)
            else:
                self.remove(each)
        self.remove_directory(path)


def walk(directory: Path) -> Iterator[Path]:
    """Give everything below a directory, each directory before what is in it; links are not followed."""
    for each in sorted(directory.iterdir()):
        yield each
        if each.is_dir() and not each.is_symlink():
            yield from walk(each)


def opened(path: Path) -> BufferedReader:
    """Open a file to read it, but nothing that would keep its reader for good, such as a pipe.

    Raises:
        OSError: it isn't there, or is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return os.fdopen(descriptor, "rb")


def sync(descriptor: int) -> None:
    """Wait until everything of an open file is on the disk; on macOS only its own call waits for the drive."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)
