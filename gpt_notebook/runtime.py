"""The runtime directory: where the model kernel of this user, host and Python environment can be found.

    model-kernel.sock   the Unix socket, 0600
    address             how to reach the model kernel: `unix:<path>` or `http://127.0.0.1:<port>`
    token               the secret that every request carries, 0600
    server.lock         held by the model kernel for as long as it lives; names its process, for messages
    start.lock          held by whoever is starting one
    token.lock          held by whoever is making the token
    model-kernel.log    what it has to say, rotated

The directory is only trusted when it belongs to this user and nobody else can enter it. It is not in /run/user, which a
logout deletes while the model kernel lives on. Both sides use this module; it needs the standard library only (platformdirs
to find the default).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gpt_notebook.errors import RuntimeDirectoryError
from gpt_notebook.identity import prefix_key
from gpt_notebook.settings import Settings, sendable

LOCK_POLL_SECONDS = 0.01
TOKEN_SECONDS = 10.0
"""Far longer than it takes somebody else to make the token."""
TOKEN_CHARACTERS = 32
"""What is shorter was not made here, or not written to its end."""
PROBE_BYTES = 64 * 1024
MAX_SOCKET_PATH = 100
"""A Unix socket's path must fit 108 bytes on Linux and 104 on macOS, its final zero included."""


@dataclass(frozen=True)
class RuntimeDirectory:
    """The files through which the two sides find each other."""

    path: Path

    @classmethod
    def of(cls, settings: Settings) -> RuntimeDirectory:
        """Return the directory for these settings, without touching the disk."""
        base = settings.runtime_dir
        if base is None:
            import platformdirs

            base = platformdirs.user_state_path("gpt-notebook", appauthor=False) / socket.gethostname()
        return cls(base / prefix_key())

    @property
    def socket(self) -> Path:
        """The Unix socket."""
        return self.path / "model-kernel.sock"

    @property
    def socket_fits(self) -> bool:
        """Whether this machine has Unix sockets and the path is short enough for one."""
        return hasattr(socket, "AF_UNIX") and len(os.fsencode(self.socket)) <= MAX_SOCKET_PATH

    @property
    def log(self) -> Path:
        """The log of the model kernel."""
        return self.path / "model-kernel.log"

    def create(self) -> None:
        """Make the directory, and check that it is ours alone.

        Raises:
            RuntimeDirectoryError: it can't be made, or others could get in; says what to do.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
            self._check()
        except OSError as error:
            raise _directory_error(self.path, error) from error

    def _check(self) -> None:
        found = self.path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            message = f"{self.path} is not a directory: remove it, or set GPT_NOTEBOOK_RUNTIME_DIR to another place"
            raise RuntimeDirectoryError(message)
        if found.st_uid != os.getuid():
            message = f"{self.path} belongs to another user: set GPT_NOTEBOOK_RUNTIME_DIR to a directory of your own"
            raise RuntimeDirectoryError(message)
        if stat.S_IMODE(found.st_mode) & 0o077:
            message = f"{self.path} is open to other users: run  chmod 700 '{self.path}'"
            raise RuntimeDirectoryError(message)

    def check_room(self) -> None:
        """Try to write: on a full disk a model kernel could not even say why it ends.

        Raises:
            RuntimeDirectoryError: nothing more can be written there; says why.
        """
        import tempfile

        try:
            with tempfile.TemporaryFile(dir=self.path) as probe:
                probe.write(bytes(PROBE_BYTES))
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            raise _directory_error(self.path, error) from error

    def token(self) -> str:
        """Return the secret, made at first use and in place of one that is damaged.

        Raises:
            RuntimeDirectoryError: it can't be written, or others could read it.
        """
        try:
            if token := self._read_token():
                return token
            with self.lock("token", wait=TOKEN_SECONDS) as ours:
                if not ours:
                    message = "somebody has been making the token for long"
                    raise TimeoutError(message)
                if not (token := self._read_token()):
                    token = secrets.token_urlsafe(TOKEN_CHARACTERS)
                    self._write_token(token)
                return token
        except OSError as error:
            raise _directory_error(self.path, error) from error

    def _read_token(self) -> str | None:
        """Return the secret, or None where there is none that could protect anything."""
        path = self.path / "token"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        with open(descriptor, encoding="latin-1") as file:
            found = os.fstat(descriptor)
            if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
                message = f"{path} is not yours alone: delete it, and a new one is made"
                raise RuntimeDirectoryError(message)
            token = file.read().strip()
        return token if len(token) >= TOKEN_CHARACTERS and sendable(token) else None

    def _write_token(self, token: str) -> None:
        """Write a file that nobody sees half written, not even after a crash of the machine."""
        draft = self.path / f".token-{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(token)
                file.flush()
                os.fsync(descriptor)
            draft.rename(self.path / "token")
        except OSError:
            draft.unlink()
            raise

    def read_address(self) -> str | None:
        """Return how to reach the model kernel, or None when there was none."""
        try:
            return (self.path / "address").read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _directory_error(self.path, error) from error

    def write_address(self, address: str) -> None:
        """Say how the model kernel is reached; only the one that holds the server lock may."""
        draft = self.path / ".address"
        draft.write_text(address, "utf-8")
        draft.rename(self.path / "address")

    def socket_identity(self) -> tuple[int, int] | None:
        """Return device and inode of the socket: a path alone doesn't say whose it is."""
        try:
            found = self.socket.lstat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def way_in(self) -> tuple[object, ...]:
        """Return all that leads a notebook to the model kernel; where any of it has changed, it gets nowhere."""
        return self.read_address(), self.socket_identity(), self._read_token()

    def read_pid(self) -> int | None:
        """Return the process that last held the server lock: to name it, never to conclude that it lives."""
        try:
            return int((self.path / "server.lock").read_text("ascii"))
        except (OSError, ValueError):
            return None

    def write_pid(self) -> None:
        """Name this process; only the one that holds the server lock may."""
        (self.path / "server.lock").write_text(str(os.getpid()), "ascii")

    @contextlib.contextmanager
    def lock(self, name: str, *, wait: float) -> Iterator[bool]:
        """Hold `<name>.lock`; yields False when another process still has it after `wait` seconds.

        The operating system lets go of it when the process ends, however it ends.
        """
        try:
            descriptor = os.open(self.path / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _directory_error(self.path, error) from error
        try:
            yield _lock(descriptor, wait)
        finally:
            os.close(descriptor)


def _lock(descriptor: int, wait: float) -> bool:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOCK_POLL_SECONDS)
        else:
            return True


def _directory_error(path: Path, error: OSError) -> RuntimeDirectoryError:
    reason = "no space left there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else (error.strerror or str(error))
    message = f"cannot use {path} for socket and token ({reason}): set GPT_NOTEBOOK_RUNTIME_DIR to another place"
    return RuntimeDirectoryError(message)
