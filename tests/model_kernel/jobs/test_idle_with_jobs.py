"""A model kernel with nothing to do but a job to look after."""

from __future__ import annotations

import asyncio

from gpt_notebook.model_kernel import __main__ as process
from gpt_notebook.model_kernel.app import ModelKernel
from gpt_notebook.protocol import RunningJob
from gpt_notebook.settings import Settings
from gpt_notebook.testing import FakeEngine


class Kernel(ModelKernel):
    """Has a job until the test ends it."""

    def __init__(self, tmp_path):
        super().__init__(FakeEngine(home=tmp_path), Settings(idle_timeout=0.05), "nowhere", lambda: None)
        self.jobs = (RunningJob(name="fox", state="running"),)
        self.looks = 0
        self.engine.jobs.current = self.current

    def current(self):
        self.looks += 1
        return self.jobs


def test_it_stays_while_a_job_runs_and_leaves_some_time_after(tmp_path):
    async def work():
        kernel = Kernel(tmp_path)
        watching = asyncio.create_task(process._leave_when_unneeded(kernel, lambda: True))
        while kernel.looks < 5:
            await asyncio.sleep(0.01)
            assert not kernel.stopping
        kernel.jobs = ()
        await asyncio.wait_for(watching, 10)
        assert kernel.stopping

    asyncio.run(work())


def test_one_that_nobody_can_find_leaves_its_jobs_to_the_next(tmp_path):
    async def work():
        kernel = Kernel(tmp_path)
        await asyncio.wait_for(process._leave_when_unneeded(kernel, lambda: False), 10)
        assert kernel.stopping

    asyncio.run(work())
