"""What it costs to watch a training in a panel: memory of the notebook kernel, CPU time, and how soon a step is on the screen.

    python bench/job_panel.py [--only memory cpu screen]

memory: a panel follows a job of which another process writes 100,000 steps, with a validation at every 500th; what its
process holds then without files, and had at most meanwhile, beyond what it had before. cpu: a job trains an adapter of the
storyteller, 4 samples of 128 tokens a step, while a panel with one view follows it; all CPU time of the panel's process, which
does nothing else, beside that of the job's. What the job itself spends on its events, `bench/job_events.py` measures: both
together are promised less than 1 %. screen: the same job in JupyterLab; from the time in a step's event to the first frame after
its number was written into the page, by the one clock of this machine. Memory of the page and frames are in `bench/curves.py`.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comm
from own_model_kernel import forget_peak, memory, own_model_kernel, random_text
from panel import notebook
from report import heading, met, row
from training_jobs import environment, random_texts, write_job

import gpt_notebook as gpt
from gpt_notebook import storyteller
from gpt_notebook.job_events import StateChanged, StepDone, Validated
from gpt_notebook.job_files.directory import JobDirectory
from gpt_notebook.job_files.journal import Journal
from gpt_notebook.job_protocol import ENDED

KNOWN, STEPS, EVERY, AT_ONCE = 100, 100_000, 500, 1000
"""Steps that are there at first, that come, between two validations, and that are written between two looks."""
HELD_MB, SHARE, DELAY_SECONDS = 5, 0.01, 1.0
"""The promises."""
TRAINED, SHOWN = 120, 60
"""Steps of the training that is watched, and that are waited for on the screen."""

SEEN = """() => {
  window.seen = [];
  let last = "";
  const look = () => {
    const text = document.querySelector(".gpt-numbers")?.textContent ?? "";
    if (text !== last) window.seen.push([Number(/step\\s*([\\d,]+)/.exec(text)?.[1].replaceAll(",", "") ?? 0), Date.now() / 1000]);
    last = text;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


class View:
    """The browser's end of a panel's comm: follows the job, and counts what it is told."""

    comm_id, kernel = "view", "a notebook kernel"

    def __init__(self, **_: Any) -> None:
        """Know nothing."""
        self.rows = self.number = self._asked = 0
        self.state = ""

    def on_msg(self, callback: Callable[[Any], None]) -> None:
        """Take what is called with what the browser says."""
        self._callback = callback

    def send(self, data: dict[str, Any], **_: Any) -> None:
        """Take what the panel says."""
        match data.get("content"):
            case {"kind": "part", "result": {"info": info, "number": number}}:
                self.rows, self.number, self.state = info["step"], number, info["state"]
            case {"kind": "answer"} if self.state not in ENDED:
                self.follow(self._job)

    def close(self, **_: Any) -> None:
        """Be closed."""

    def follow(self, job: str) -> None:
        """Ask for what is new of a job, again and again."""
        self._job = job
        self._asked += 1
        params = {"job": job, "rows": self.rows, "number": self.number}
        message = {"kind": "request", "id": self._asked, "method": "follow", "params": params}
        self._callback({"content": {"data": {"method": "custom", "content": message}}, "buffers": []})


def main() -> None:
    """Measure what is asked for, and print a table."""
    measures = {"memory": held, "cpu": spent, "screen": shown}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=measures, default=list(measures))
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write is not None:
        write(JobDirectory(options.write), KNOWN, KNOWN + STEPS, wait=True)
        return
    heading("watching a job", "measured", "promised", "")
    kept = [measures[name]() for name in options.only]
    if not all(kept):
        raise SystemExit(1)


def held() -> bool:
    """Follow 100,000 steps, and print what memory that takes."""
    with tempfile.TemporaryDirectory(prefix="gpt-") as place:
        os.environ["GPT_NOTEBOOK_RUNTIME_DIR"], os.environ["GPT_NOTEBOOK_HOME"] = f"{place}/run", place
        directory = written(Path(place), STEPS)
        write(directory, 0, KNOWN, wait=False)
        panel, view = followed()
        until(lambda: view.rows == KNOWN)
        gc.collect()
        before = memory("self").anonymous
        forget_peak("self")
        peak = memory("self").peak
        subprocess.run([sys.executable, __file__, "--write", str(directory.path)], check=True)
        until(lambda: view.rows == KNOWN + STEPS)
        gc.collect()
        now = memory("self")
        panel.close()
    grown = (now.anonymous - before) / 1e6
    row(f"MB held after {STEPS:,} steps", f"{grown:.1f}", str(HELD_MB), met(grown < HELD_MB))
    row("MB more than before at most, meanwhile", f"{(now.peak - peak) / 1e6:.1f}", "", "")
    return grown < HELD_MB


def spent() -> bool:
    """Watch a training, and print the CPU time of watching it."""
    with tempfile.TemporaryDirectory(prefix="gpt-") as place:
        os.environ["GPT_NOTEBOOK_RUNTIME_DIR"], os.environ["GPT_NOTEBOOK_HOME"] = f"{place}/run", place
        directory = written(Path(place), TRAINED)
        panel, view = followed()
        until(lambda: bool(view.state))
        command = [sys.executable, "-m", "gpt_notebook.training", str(directory.path)]
        began, before = time.process_time(), os.times()
        subprocess.run(command, env=environment(os.cpu_count() or 1), check=True, stdout=subprocess.DEVNULL)
        until(lambda: view.state == "succeeded")
        watching, after = time.process_time() - began, os.times()
        panel.close()
    training = after.children_user + after.children_system - before.children_user - before.children_system
    share = watching / training
    row(f"CPU s of a panel, of {training:.0f} of {TRAINED} steps' training", f"{watching:.3f}", "", "")
    row("its share, without the job's events", f"{share:.2%}", f"{SHARE:.0%}", met(share < SHARE))
    return share < SHARE


def shown() -> bool:
    """Watch a training in JupyterLab, and print how late its steps are on the screen."""
    texts = [random_text(128, seed) for seed in range(64)]
    with (
        tempfile.TemporaryDirectory(prefix="gpt-") as place,
        own_model_kernel(),
        notebook(Path(place)) as lab,
    ):
        lab.run("import gpt_notebook as gpt")
        lab.run(f"job = gpt.finetune({texts!r}, name='shown', max_steps=100_000, batch_size=4)")
        lab.run("job.panel()", 0)
        lab.page.locator(".gpt-numbers").wait_for()
        lab.page.evaluate(SEEN)
        lab.page.wait_for_function("steps => window.seen.at(-1)?.[0] - window.seen[0]?.[0] > steps", arg=SHOWN)
        seen = lab.page.evaluate("window.seen")
        job = gpt.job("shown").cancel()
        done = {event.step: event.time for event in job.events() if isinstance(event, StepDone)}
    first = seen[0][0]
    delays = [
        min(when for step, when in seen if step >= each) - time_done
        for each, time_done in done.items()
        if first < each <= seen[-1][0]
    ]
    late = statistics.quantiles(delays, n=20)[-1]
    row("s from a step to the screen, median", f"{statistics.median(delays):.2f}", "", "")
    row("19 of 20 at most", f"{late:.2f}", f"{DELAY_SECONDS:.0f}", met(late < DELAY_SECONDS))
    row("the latest", f"{max(delays):.2f}", "", "")
    return late < DELAY_SECONDS


def written(place: Path, steps: int) -> JobDirectory:
    """Write the directory of a job on the storyteller."""
    model = str(storyteller.path())
    return write_job(place, model, random_texts(64), method="lora", dtype="float32", max_steps=steps)


def write(directory: JobDirectory, after: int, last: int, *, wait: bool) -> None:
    """Write events as a job does; with `wait` some at a time, as many as one look may find."""
    with Journal(directory.events, attempt=1) as journal:
        if not after:
            journal.write(StateChanged, state="running")
        for step in range(after + 1, last + 1):
            journal.write(
                StepDone, step=step, epoch=0.0, loss=2.0, learning_rate=1e-4, grad_norm=0.5, tokens=512, seconds=0.1, memory=10**9
            )  # fmt: skip
            if step % EVERY == 0:
                journal.write(Validated, step=step, loss=2.0, perplexity=7.4, accuracy=0.5, tokens=512, seconds=0.1, best=False)  # fmt: skip
            if wait and step % AT_ONCE == 0:
                time.sleep(0.02)


def followed() -> tuple[Any, View]:
    """Return a panel of the job, and the view that follows it."""
    from gpt_notebook.widgets.fine_tuning import FineTuningPanel

    made: list[View] = []

    def create_comm(**options: Any) -> View:
        made.append(View(**options))
        return made[-1]

    comm.create_comm = create_comm
    panel = FineTuningPanel("measured")
    view = next(each for each in made if each is panel.comm)
    view.follow(panel.state["job"])
    return panel, view


def until(is_true: Callable[[], bool]) -> None:
    """Wait for what another thread tells."""
    while not is_true():
        time.sleep(0.05)


if __name__ == "__main__":
    main()
