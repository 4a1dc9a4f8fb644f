"""A model kernel's jobs in a process of their own, to be killed: starts the jobs that it is given, and looks after all.

python kernel_process.py HOME THEN NAME …
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gpt_notebook.model_kernel.jobs import watching
from model_kernel.jobs.company_of_jobs import made, start


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def main() -> None:
    home, then, *names = sys.argv[1:]
    watching.BUSY_SECONDS = watching.IDLE_SECONDS = 0.02
    jobs = made(Path(home))
    jobs.begin()
    for name in names:
        started = await start(jobs, name, then=then)
        say(name, started.attached)
    say("started")
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())
