"""Who is who: what tells one installation of gpt_notebook from another.

Two processes may work together only when they run the same source in the same Python environment; a notebook that talks
to a process started before an upgrade would see behaviour that is in no file any more.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from pathlib import Path

__version__ = "0.1.0"

PACKAGE = Path(__file__).parent


def prefix_key() -> str:
    """Return eight hexadecimal digits for this Python environment."""
    return hashlib.sha256(sys.prefix.encode()).hexdigest()[:8]


@functools.cache
def source_hash() -> str:
    """Return a digest of the package's Python files as they were when this process first asked."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
