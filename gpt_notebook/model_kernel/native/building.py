"""Building a C source into a library for this very processor, once: the next process finds it built.

A build is kept under a digest of everything that it depends on: the source, the compiler, its options, the processor. Its
own digest stands in its name, so that one that was damaged is built again. Knows nothing of torch.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

COMPILERS = ("cc", "gcc", "clang")
OPTIONS = ("-O3", "-fPIC", "-fno-math-errno", "-fno-trapping-math")
CHOICES = (("-march=native", "-fopenmp"), ("-mcpu=native", "-fopenmp"), ("-march=native",), ())
"""Options that not every compiler takes, the fastest first."""
SECONDS = 30.0
"""After this long a compiler hangs."""
KEPT = 8
"""Builds that stay: of other versions, other processors that share the directory."""


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
    if compiler is None:
        return Built(None, f"there is no C compiler ({', '.join(COMPILERS)}): install one, such as gcc")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(directory):
            return Built(None, f"others can write to {directory}: make it yours alone, chmod 700")
        key = _key(source, compiler)
        return _kept(directory, key, compiler) or _built(source, directory, key, compiler, load)
    except OSError as error:
        return Built(None, f"{error.filename or directory}: {error.strerror or error}")


def find_compiler() -> str | None:
    """Return the path of a C compiler: the one that CC names, or the first that is there."""
    named = os.environ.get("CC")
    return next((found for name in ((named,) if named else COMPILERS) if (found := shutil.which(name))), None)


def _is_ours(directory: Path) -> bool:
    """Whether nobody else can put a library there for us to load."""
    found = directory.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def _key(source: Path, compiler: str) -> str:
    """Return a digest of what a build depends on."""
    there = Path(compiler).stat()
    parts = (
        source.read_bytes(),
        repr((os.path.realpath(compiler), there.st_size, there.st_mtime_ns, OPTIONS, CHOICES)).encode(),
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
    wanted = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)})).encode()


def _kept(directory: Path, key: str, compiler: str) -> Built | None:
    """Return what was built earlier, if it is whole; what is damaged is removed."""
    for path in directory.glob(f"{key}-*.so"):
        if path.is_symlink() or not path.is_file():
            continue
        if path.stem == f"{key}-{_digest(path)}":
            os.utime(path)
            return Built(path, f"built by {compiler}")
        path.unlink(missing_ok=True)
    return None


def _built(source: Path, directory: Path, key: str, compiler: str, load: Callable[[str], object]) -> Built:
    """Build, first with the options for this processor, and keep the result."""
    said = ""
    with tempfile.TemporaryDirectory(prefix="building-", dir=directory) as working:
        for options in CHOICES:
            path = Path(working) / "library.so"
            try:
                _compile(source, path, compiler, options)
                load(str(path))
            except subprocess.TimeoutExpired:
                return Built(None, f"{compiler} was still busy after {SECONDS:g} seconds: see what keeps it")
            except (OSError, subprocess.CalledProcessError) as error:
                said = f"{compiler} fails: {_complaint(error)}"
                continue
            final = directory / f"{key}-{_digest(path)}.so"
            path.rename(final)
            _prune(directory)
            return Built(final, f"built by {compiler}")
    return Built(None, said)


def _compile(source: Path, path: Path, compiler: str, options: tuple[str, ...]) -> None:
    """Compile and link; raises what `subprocess` does.

    OpenMP's own library is left to whoever loads this one: torch brings it along, and two of them would fight.
    """
    made = path.with_suffix(".o")
    undefined = ("-undefined", "dynamic_lookup") if platform.system() == "Darwin" else ()
    for command in (
        (compiler, *OPTIONS, *options, "-c", str(source), "-o", str(made)),
        (compiler, "-shared", *undefined, str(made), "-o", str(path), "-lm"),
    ):
        _run(command)


def _run(command: tuple[str, ...]) -> None:
    """Run a command, and end it with all that it has started if it hangs."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            _, complaint = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=complaint)


def _complaint(error: OSError | subprocess.CalledProcessError) -> str:
    """Return what is wrong, in a line."""
    text = str(error) if isinstance(error, OSError) else error.stderr.decode("utf-8", "replace")
    lines = text.splitlines() or ["it does not say why"]
    return next((line for line in lines if "error" in line), lines[-1]).strip()[:200]


def _prune(directory: Path) -> None:
    """Let the builds go that nobody has used for longest."""
    builds = sorted(directory.glob("*.so"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in builds[KEPT:]:
        path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
