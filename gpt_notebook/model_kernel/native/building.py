"""Building a C source into a library for this very processor, once: the next process finds it built.

A build is kept under a digest of everything that it depends on: the source, the compiler, its options, the processor. Its
own digest stands in its name, so that one that was damaged is built again. Knows nothing of torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import resource
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

COMPILERS = ("cc", "gcc", "clang")
OPTIONS = ("-O3", "-fPIC", "-fno-math-errno", "-fno-trapping-math")
CHOICES = (
    ("-march=native", "-fopenmp"),
    ("-mcpu=native", "-fopenmp"),
    ("-march=native", "-fopenmp-simd"),
    ("-mcpu=native", "-fopenmp-simd"),
    (),
)
"""Options that not every compiler takes, the fastest first."""
SECONDS = 30.0
"""What a build may take, with all that is tried: after this long a compiler hangs."""
KEPT = 8
"""Builds that stay: of other versions, other processors that share the directory."""
MAX_WRITTEN = 16 * 2**20
"""Bytes of a file that a compiler may write."""
MAX_COMPLAINT = 2**16
LEFT_SECONDS = 3600.0
"""What was begun so long ago was left behind by somebody who was killed."""
PROCESSOR = ("flags", "features", "model name", "cpu", "isa")
"""How the lines of /proc/cpuinfo begin, in lower case, that tell what a processor can do."""


@dataclass(frozen=True)
class Built:
    """What came of a build."""

    path: Path | None
    """The library, which is whole; None: there is none."""
    said: str
    """How it was built, or why not, in a line."""


def build(source: Path, directory: Path, *, load: Callable[[str], object]) -> Built:
    """Return the library of a source, built now or earlier.

    Args:
        source: C without headers of others.
        directory: where builds are kept; made if it isn't there.
        load: raises OSError for the path of a library that can't be loaded; it is built in another way then.
    """
    compiler = find_compiler()
    if not compiler:
        named = os.environ.get("CC")
        missing = f"CC={named}, which is not there" if named else f"none of {', '.join(COMPILERS)} is there"
        return Built(None, f"there is no C compiler ({missing}): install one, such as gcc")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if complaint := _stranger(directory):
            return Built(None, complaint)
        key = _key(source, compiler)
        if path := _kept(directory, key, load):
            return Built(path, f"built by {shlex.join(compiler)}")
        return _built(source, directory, key, compiler, load)
    except OSError as error:
        return Built(None, f"{error.filename or directory}: {error.strerror or error}")


def find_compiler() -> list[str]:
    """Return how to call a C compiler, the one that CC names or the first that is there; empty: there is none."""
    named = os.environ.get("CC")
    try:
        commands = [shlex.split(named)] if named else [[name] for name in COMPILERS]
    except ValueError:  # a quotation mark without its other
        return []
    for command in commands:
        if command and (found := shutil.which(command[0])):
            return [found, *command[1:]]
    return []


def _stranger(directory: Path) -> str | None:
    """Return what to do where somebody else could put a library for us to load."""
    found = directory.stat()
    if found.st_uid != os.getuid():
        return f"{directory} belongs to somebody else: set GPT_NOTEBOOK_COMPILED to a directory of your own"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write to {directory}: make it yours alone, chmod 700"
    return None


def _key(source: Path, compiler: list[str]) -> str:
    """Return a digest of what a build depends on."""
    there = Path(compiler[0]).stat()
    asked = os.path.realpath(compiler[0]), there.st_size, there.st_mtime_ns, compiler[1:], OPTIONS, CHOICES
    parts = (
        source.read_bytes(),
        repr(asked).encode(),
        _processor(),
    )
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def _processor() -> bytes:
    """Return what a processor can do: a library for one with more would end this process."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return repr(platform.uname()).encode()
    told = {line for line in lines if line.lower().startswith(PROCESSOR) and "mhz" not in line.lower()}
    return "\n".join(sorted(told)).encode()


def _kept(directory: Path, key: str, load: Callable[[str], object]) -> Path | None:
    """Return what was built earlier, if it is whole and can be loaded; otherwise it is removed."""
    for path in directory.glob(f"{key}-*.so"):
        if path.is_symlink() or not path.is_file():
            continue
        with contextlib.suppress(OSError):
            if path.stem == f"{key}-{_digest(path)}":
                load(str(path))
                with contextlib.suppress(OSError):  # nobody can write there any more
                    os.utime(path)
                return path
        path.unlink(missing_ok=True)
    return None


def _built(source: Path, directory: Path, key: str, compiler: list[str], load: Callable[[str], object]) -> Built:
    """Build, first with the options for this processor, and keep the result."""
    said, end = "", time.monotonic() + SECONDS
    with tempfile.TemporaryDirectory(prefix="building-", dir=directory) as working:
        for options in CHOICES:
            path = Path(working) / "library.so"
            try:
                _compile(source, path, [*compiler, *OPTIONS, *options], end)
                load(str(path))
            except subprocess.TimeoutExpired:
                return Built(
                    None, f"{shlex.join(compiler)} was still busy after {SECONDS:g} seconds: see what keeps it"
                )
            except (OSError, subprocess.CalledProcessError) as error:
                said = f"{shlex.join(compiler)} fails: {_complaint(error)}"
                continue
            final = directory / f"{key}-{_digest(path)}.so"
            path.chmod(0o700)
            path.rename(final)
            _prune(directory)
            return Built(final, f"built by {shlex.join(compiler)}")
    return Built(None, said)


def _compile(source: Path, path: Path, compiler: list[str], end: float) -> None:
    """Compile and link until some moment; raises what `subprocess` does.

    OpenMP's own library is left to whoever loads this one: torch brings it along, and two of them would fight.
    """
    made = path.with_suffix(".o")
    undefined = ["-undefined", "dynamic_lookup"] if platform.system() == "Darwin" else []
    # What a compiler is told to link with OpenMP is what torch brings already.
    plain = [each for each in compiler if not each.startswith("-fopenmp")]
    _run([*compiler, "-c", str(source), "-o", str(made)], end, path.with_suffix(".complaint"))
    _run([*plain, "-shared", *undefined, str(made), "-o", str(path), "-lm"], end, path.with_suffix(".complaint"))


def _run(command: list[str], end: float, complaint: Path) -> None:
    """Run a command until some moment, and end it with all that it has started if it hangs."""
    with complaint.open("w+b") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
        if hasattr(resource, "prlimit"):
            with contextlib.suppress(OSError):  # it has ended
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (MAX_WRITTEN, MAX_WRITTEN))
        try:
            code = process.wait(max(end - time.monotonic(), 0))
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if code:
            said.seek(0)
            raise subprocess.CalledProcessError(code, command, stderr=said.read(MAX_COMPLAINT))


def _complaint(error: OSError | subprocess.CalledProcessError) -> str:
    """Return what is wrong, in a line."""
    text = str(error) if isinstance(error, OSError) else error.stderr.decode("utf-8", "replace")
    lines = text.splitlines() or ["it does not say why"]
    line = next((line for line in lines if "error" in line), lines[-1])
    return "".join(filter(str.isprintable, line)).strip()[:200]


def _prune(directory: Path) -> None:
    """Let the builds go that nobody has used for longest, and what others have left behind."""
    with contextlib.suppress(OSError):  # others do the same
        builds = sorted(directory.glob("*.so"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in builds[KEPT:]:
            path.unlink(missing_ok=True)
        for path in directory.glob("building-*"):
            if path.stat().st_mtime < time.time() - LEFT_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
