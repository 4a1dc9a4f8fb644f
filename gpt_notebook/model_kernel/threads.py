"""Which operations of a step are worth more than one CPU thread.

Between two parallel operations OpenMP's other threads sleep, and to wake one takes some 50 µs: longer than most operations
of a decode step take by themselves. Inside of `sparing` only products with weights and keys, which say so with `many`, use
all threads; a norm or an activation of a few rows uses the one that is awake. A step of 8 rows of GPT-2's 124 M shape in
bfloat16 with two threads then takes 25 instead of 29 ms.

Asks OpenMP itself: torch's own `set_num_threads` also drops what oneDNN has prepared, and takes longer than an operation.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

import torch


def _find() -> Callable[[int], object] | None:
    """Return the `omp_set_num_threads` of the OpenMP that torch runs with, which counts for the calling thread."""
    try:
        found: Callable[[int], object] = ctypes.PyDLL(torch._C.__file__).omp_set_num_threads  # noqa: SLF001 - torch's library
    except (OSError, AttributeError):
        return None
    return found


_set = _find()


class _Here(threading.local):
    count: int | None = None
    """How many threads `many` uses; None outside of `sparing`."""


_here = _Here()


@contextlib.contextmanager
def sparing() -> Iterator[None]:
    """Run the operations of this block in one thread, but those within `many`."""
    count = torch.get_num_threads()
    if _set is None or count == 1 or _here.count is not None:
        yield
        return
    _here.count = count
    _set(1)
    try:
        yield
    finally:
        _here.count = None
        _set(count)


class _Many:
    """A block whose operations use all threads again."""

    def __enter__(self) -> None:
        if _here.count is not None and _set is not None:
            _set(_here.count)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if _here.count is not None and _set is not None:
            _set(1)


many = _Many()
"""`with many:` around an operation that is worth all threads; outside of `sparing` it changes nothing."""
