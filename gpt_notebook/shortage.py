"""How it shows that memory has run out."""

from __future__ import annotations

import sys


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory; torch's own allocator on a CPU says so in words only."""
    torch = sys.modules.get("torch")  # Where it has not been imported it has raised nothing.
    kinds = (MemoryError,) if torch is None else (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)
