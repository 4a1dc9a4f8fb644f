"""How OpenMP's threads wait, which it is told when torch is imported and never again.

A step consists of a hundred short operations. A thread that falls asleep between two of them takes 50 to 150 µs to wake on
a virtual machine, longer than most of them compute; one that never sleeps takes the processor from whoever needs it. Ours
stay awake for about 0.2 ms. GPT-2's 124 M shape in bfloat16 on two virtual processors, through the whole path, at tokens a
second:

    they stay awake for        0       0.05 ms    0.2 ms    0.5 ms
    one stream              64 to 75   67 to 73   82 to 87   94 to 97
    eight streams          328 to 351 353 to 433 484 to 511 447 to 485
    eight, one processor busy   328       -      289 to 299 245 to 252

GNU's OpenMP lets threads wait awake only while there are no more of them than processors, and every thread that ever computed
with several adds some. So those of a model kernel begin with one, and only its scheduler's takes more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

NAMES = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
SPINS = "10000"
"""How often a thread looks for work before it sleeps."""


@contextlib.contextmanager
def configured(*, begin_with_one: bool = False) -> Iterator[None]:
    """Have OpenMP read our settings if torch is imported in this block, unless a user has said by OMP_WAIT_POLICY how to wait.

    They don't reach the processes that this one starts.

    Args:
        begin_with_one: Whether each thread computes alone until it asks for company, whatever OMP_NUM_THREADS says.
    """
    before = dict(os.environ)
    if "OMP_WAIT_POLICY" not in before:
        os.environ["GOMP_SPINCOUNT"] = before.get("GOMP_SPINCOUNT", SPINS)
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # for an OpenMP that knows nothing of a number
        if begin_with_one:
            os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        for name in NAMES:
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
