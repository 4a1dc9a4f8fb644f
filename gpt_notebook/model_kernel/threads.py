"""Which operations of a step are worth more than one CPU thread.

Between two parallel operations OpenMP's other threads wait awake for a moment (`openmp`), and sleep then. To wake one and to
wait for its end takes some 10 µs on a machine of one's own and 50 to 150 on a virtual one: longer than most operations of a
decode step take by themselves. Inside of `sparing` an operation uses all threads where it says with `many` that it takes longer
than that, by what it reads and computes; all others use one thread. What the others cost is measured once, with a pause such
as there is in a step. Products with packed weights are the same bits with one thread or several, as oneDNN divides them by
what comes out.

With threads that sleep, GPT-2's 124 M shape in bfloat16 on two virtual processors: a product of 8 rows takes 46 to 127 µs with one thread and 91 to
160 with two, the head 3.6 and 3.0 ms.

Asks OpenMP itself: torch's own `set_num_threads` also drops what oneDNN has prepared, and takes longer than an operation.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import math
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar

import torch

Result = TypeVar("Result")


def _find() -> Callable[[int], object] | None:
    """Return the `omp_set_num_threads` of the OpenMP that torch runs with, which counts for the calling thread."""
    try:
        found: Callable[[int], object] = ctypes.PyDLL(torch._C.__file__).omp_set_num_threads  # noqa: SLF001 - torch's library
    except (OSError, AttributeError):
        return None
    return found


_set = _find()

GRAIN = 32768
"""Numbers of an elementwise operation that torch gives to a thread."""
TRIES = 15
PAUSE = 1e-4
"""Seconds between two such operations of a step, about."""
BYTES_A_SECOND, OPERATIONS_A_SECOND = 25e9, 2e11
"""What one thread reads and computes, about."""
DELAY = 3
"""The other processors have something else to do now and then, such as to send what was generated."""


class _Here(threading.local):
    count: int | None = None
    """How many threads `many` uses; None outside of `sparing`."""


_here = _Here()


def use(count: int) -> None:
    """Let the calling thread compute with so many threads from now on, and no other one."""
    if torch.get_num_threads() == count:
        return
    if _set is None:
        torch.set_num_threads(count)
    else:
        _set(count)


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


@functools.cache
def waking() -> float:
    """Return the seconds that it takes to wake the other threads and to wait for them; measured once, in some milliseconds."""
    count = _here.count or torch.get_num_threads()
    if _set is None or count == 1:
        return 0.0
    numbers = torch.zeros(GRAIN * count)

    def seconds(threads: int) -> float:
        assert _set is not None  # noqa: S101 - looked at above
        _set(threads)
        found = []
        for _ in range(TRIES):
            end = time.perf_counter() + PAUSE
            while time.perf_counter() < end:
                pass
            began = time.perf_counter()
            numbers.add_(1)
            found.append(time.perf_counter() - began)
        return statistics.median(found)

    alone, together = seconds(1), seconds(count)
    _set(1 if _here.count is not None else count)
    return max(together - alone / count, 0.0)


async def in_a_thread_of_its_own(count: int, function: Callable[[], Result]) -> Result:
    """Return what a function returns that computes with so many threads, which are gone afterwards.

    A thread that goes on to live would keep its team: `openmp` says what that costs everybody.
    """

    def work() -> Result:
        use(count)
        return function()

    executor = ThreadPoolExecutor(1, "computing")
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
    finally:
        executor.shutdown(wait=False)


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


_MANY = _Many()
_FEW = contextlib.nullcontext()


def many(size: float = math.inf, operations: float = 0) -> AbstractContextManager[None]:
    """Return the block for an operation, in which it has all threads if it is worth them.

    Outside of `sparing` nothing changes.

    Args:
        size: The bytes that it reads; infinite where its bits depend on the number of threads, which must not change.
        operations: The floating-point operations that it does.
    """
    if _here.count is None:
        return _FEW
    seconds = max(size / BYTES_A_SECOND, operations / OPERATIONS_A_SECOND)
    return _MANY if seconds * (1 - 1 / _here.count) > DELAY * waking() else _FEW
