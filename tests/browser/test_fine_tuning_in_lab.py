"""The fine-tuning panel in a real JupyterLab: one training from its form to its end, whatever dies in between."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect
from test_attention_in_lab import run

from gpt_notebook.job_files import lock
from gpt_notebook.job_files.directory import jobs_in

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

PICTURES = Path(__file__).parents[2] / "build" / "pictures"

IMPORT = "import json, pandas as pd, gpt_notebook as gpt"
DATA = """stories = pd.DataFrame({
    "story": [f"Pip the fox saw {number} owls, and every owl said good night." for number in range(24)],
    "teller": "an owl",
})"""
# So many short steps that it comes to no end by itself before everything else has been tried.
MAKE = """panel = gpt.FineTuningPanel(stories, text="story", name="owls", max_steps=1_000_000, batch_size=1, validation=0.25,
    validate_every=40, probes=["Pip the fox saw"], probe_every=80, learning_rate=1e-3)
panel"""
RECORDED = """steps = gpt.job("owls").metrics().dropna(subset=["loss"])["step"].tolist()
print(json.dumps([len(steps), steps == list(range(1, len(steps) + 1))]))"""
SOME_TOKENS = re.compile(r"\d tokens")
JOB = "gpt.job('owls')"


class View:
    """One panel on the page."""

    def __init__(self, page, element=None):
        self.page = page
        self.element = element or page.locator(".gpt-fine-tuning").first
        self.state = self.element.locator(".gpt-state")
        self.notice = self.element.locator(".gpt-notice").first
        self.sign = self.element.locator(".gpt-unreachable")
        self.chart = self.element.locator(".gpt-curve-plot.gpt-main")
        self.checkpoints = self.element.locator(".gpt-checkpoint-table tbody tr")
        self.results = self.element.locator(".gpt-result")

    def press(self, name):
        self.element.get_by_role("button", name=name, exact=True).click()

    @property
    def drawn(self):
        """How many steps the curve has, its first and its last one."""
        described = self.chart.get_attribute("aria-description") or ""
        return tuple(int(number.replace(",", "")) for number in re.findall(r"[\d,]+\d|\d", described)) or (0, 0, 0)

    def wait_for_step(self, step):
        """Wait until the curve has come so far."""
        self.page.wait_for_function(
            """([chart, step]) => Number(chart.getAttribute("aria-description")?.split(" to ")[1]?.replaceAll(",", "")) >= step""",
            arg=[self.chart.element_handle(), step],
        )

    def wait_for_more(self):
        """Wait until the curve has grown by some steps."""
        self.wait_for_step(self.drawn[2] + 3)


def is_complete(drawn):
    """Whether there is no gap, and no step twice: steps never fall, so that their number tells."""
    count, first, last = drawn
    return first == 1 and count == last


@pytest.fixture
def _jobs_end(lab):
    """A job outlives everything else, also a test that has failed."""
    yield
    for directory in jobs_in(lab.home):
        holder = lock.holder(directory)
        if holder is not None and holder.is_job and holder.pid is not None:
            os.kill(holder.pid, signal.SIGKILL)


@pytest.mark.usefixtures("_jobs_end")
def test_a_training_is_watched_steered_and_tried_whatever_dies_in_between(lab, page):
    page.set_viewport_size({"width": 1400, "height": 1200})
    lab.open(page, "owls", [IMPORT, DATA, MAKE])
    lab.command(page, "notebook:run-all-cells")
    view = View(page)
    begin(view)
    pause_and_resume(lab, view)
    try_a_checkpoint(view)
    assert page.console_errors == []
    lose_the_notebook_kernel(lab, view)
    lose_the_model_kernel(lab, view)
    steer_from_two_panels(lab, view)
    finish(lab, view)
    compare_with_the_base(view)
    look_at_a_head_that_has_moved(view)
    # That the view of a notebook kernel that is gone has no widget any more, the page is told by JupyterLab.
    assert [error for error in page.console_errors if "widget model not found" not in error] == []
    assert page.asked_elsewhere == []
    for theme, width in (("Light", 1400), ("Dark", 1400), ("Light", 620), ("Dark", 690)):
        looks_right(view, theme, width)


def begin(view):
    """See what the model would see and what it would take, and start."""
    expect(view.element.get_by_label("what the model would see")).to_contain_text("6 samples are for validation")
    expect(view.element.locator(".gpt-estimate")).to_contain_text("1,000,000 steps")
    picture(view.page, "form")
    view.press("start the training")
    expect(view.state).to_have_text("running")
    view.wait_for_step(50)


def pause_and_resume(lab, view):
    """It goes on exactly where it was."""
    view.press("pause: gives the memory back, and can go on exactly there")
    expect(view.state).to_have_text("paused")
    step = int(run(lab, view.page, f"print({JOB}.status.step)"))
    view.wait_for_step(step)
    assert view.drawn == (step, 1, step)
    view.press("go on where it was, or from its last checkpoint")
    expect(view.state).to_have_text("running")
    view.wait_for_more()
    assert is_complete(view.drawn)


def try_a_checkpoint(view):
    """What a checkpoint makes of a prompt streams in while the training goes on."""
    view.checkpoints.nth(1).click()
    view.element.locator(".gpt-prompt").fill("Pip the fox saw")
    view.element.get_by_role("button", name="let the chosen ones go on from the prompt").click()
    expect(view.results).to_have_count(1)
    expect(view.results.first).to_contain_text(SOME_TOKENS)
    expect(view.state).to_have_text("running")
    view.wait_for_more()


def lose_the_notebook_kernel(lab, view):
    """It dies and the page is loaded again: the job has gone on meanwhile, and the panel's cell shows it."""
    page = view.page
    notebook_kernel = int(run(lab, page, "import os; print(os.getpid())"))
    lab.save(page)
    reached = view.drawn[2]
    os.kill(notebook_kernel, signal.SIGKILL)
    lab.reload(page)
    page.console_errors.clear()  # JupyterLab's own, about a notebook kernel that is gone
    lab.command(page, "notebook:run-all-cells")
    expect(view.element.locator(".gpt-name-taken")).to_contain_text("owls is there, running")
    view.press("show the job owls")
    view.wait_for_step(reached + 3)
    assert is_complete(view.drawn)


def lose_the_model_kernel(lab, view):
    """It dies: the curve goes on all the same, and a button starts another."""
    os.kill(int(run(lab, view.page, "print(gpt.status().pid)")), signal.SIGKILL)
    expect(view.sign).to_contain_text("No model kernel answers")
    view.wait_for_more()
    view.sign.get_by_role("button").click()
    expect(view.sign).to_be_hidden()
    view.wait_for_more()
    assert is_complete(view.drawn)


def steer_from_two_panels(lab, view):
    """What one panel is told, the other shows."""
    page = view.page
    lab.command(page, "notebook:insert-cell-below")
    cell = page.locator(".jp-CodeCell.jp-mod-active")
    cell.locator(".cm-content").click()
    page.keyboard.insert_text(f"{JOB}.panel()")
    page.keyboard.press("Control+Enter")
    other = View(page, page.locator(".gpt-fine-tuning").nth(1))
    expect(other.state).to_have_text("running")
    other.press("pause: gives the memory back, and can go on exactly there")
    expect(view.state).to_have_text("paused")
    expect(other.state).to_have_text("paused")
    step = int(run(lab, page, f"print({JOB}.status.step)"))
    for each in (view, other):
        each.wait_for_step(step)
        assert each.drawn == (step, 1, step)
    view.press("go on where it was, or from its last checkpoint")
    expect(other.state).to_have_text("running")
    other.wait_for_more()


def finish(lab, view):
    """With fewer steps it comes to its last one, and the curve has every step that was recorded, once."""
    last = view.drawn[2] + 200
    view.element.locator("summary", has_text="change").click()
    view.element.get_by_role("textbox", name="steps", exact=True).fill(str(last))
    view.press("set the steps")
    expect(view.state).to_have_text("succeeded")
    count, is_each_once = json.loads(run(lab, view.page, RECORDED))
    assert is_each_once
    view.wait_for_step(count)
    assert view.drawn == (count, 1, count)
    assert count == last


def compare_with_the_base(view):
    view.checkpoints.last.click()
    view.press("let the chosen one and the base go on from the same prompt")
    expect(view.results).to_have_count(2)
    expect(view.results.first).to_contain_text("base")
    for number in range(2):
        expect(view.results.nth(number)).to_contain_text(SOME_TOKENS)
    expect(view.element.get_by_role("button", name="stop generating")).to_be_hidden()
    expect(view.notice).to_be_hidden()


def look_at_a_head_that_has_moved(view):
    """The table of heads opens the attention panel, and a second head is shown in the same one."""
    view.press("how far each head’s attention is from the base’s")  # noqa: RUF001
    heads = view.element.locator(".gpt-moved-most button")
    maps = view.element.locator(".gpt-moved-maps .gpt-attention")
    for number in range(2):
        layer, head = re.match(r"L(\d+) H(\d+)", heads.nth(number).inner_text()).groups()
        heads.nth(number).click()
        expect(maps).to_have_count(1)
        expect(maps).to_contain_text(f"layer {layer} head {head} of storyteller+owls")
        expect(maps.locator(".gpt-plot")).to_have_count(2)


def looks_right(view, theme, width):
    page = view.page
    page.set_viewport_size({"width": width, "height": 1200})
    page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", f"JupyterLab {theme}"
    )
    expect(view.element).to_have_attribute("data-theme", theme.lower())
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)
    assert view.element.evaluate("element => element.scrollWidth <= element.clientWidth")
    view.element.evaluate("element => element.scrollIntoView({block: 'start'})")
    picture(page, f"{theme}-{width}")


def picture(page, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"fine-tuning-panel-{name}.png")
