"""What all panels share, in a real JupyterLab: questions, running cells, several views, restarts, reloads, saved notebooks."""

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

HERE = Path(__file__).parent
LABEXTENSION = HERE.parents[1] / "labextension"


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The code that makes the example panel, its browser half built."""
    module = tmp_path_factory.mktemp("panel") / "example.js"
    esbuild = [LABEXTENSION / "node_modules" / ".bin" / "esbuild", LABEXTENSION / "test" / "example-panel.ts"]
    subprocess.run([*esbuild, "--bundle", "--format=esm", "--log-level=warning", f"--outfile={module}"], check=True)
    return f"""
import os, sys
os.environ["GPT_NOTEBOOK_TEST_PANEL"] = {str(module)!r}
sys.path.insert(0, {str(HERE)!r})
from example_panel import ExamplePanel
panel = ExamplePanel()
"""


class View:
    """One view of the example, by its place in the notebook."""

    def __init__(self, page, number=0):
        self.element = page.locator(".jp-OutputArea-output:has(> .said, .said)").nth(number)
        self.said = self.element.locator(".said")
        self.sign = self.element.locator(".gpt-lost")
        self.count = self.element.locator(".count")

    def press(self, name):
        self.element.locator(f"button.{name}").click()


def run_all(lab, page):
    lab.command(page, "notebook:run-all-cells")


def outputs(page, cell):
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")


def test_questions_are_answered_with_parts_and_numbers_and_errors_are_shown(lab, page, start):
    lab.open(page, "questions", [f"{start}panel"])
    run_all(lab, page)
    view = View(page)
    view.press("numbers")
    expect(view.said).to_have_text('{"count":3} parts 0,1,2 sum 4')
    view.press("fail")
    expect(view.said).to_have_text("model_not_found: there is no model 3")
    view.press("wait")
    view.press("cancel")
    expect(view.said).to_have_text("AbortError")
    expect(view.sign).to_be_hidden()
    expect(page.locator(".example-twin")).to_be_hidden()
    assert page.console_errors == []


def test_questions_are_answered_while_the_cell_that_shows_the_panel_runs(lab, page, start):
    cells = [f"{start}display(panel)\nprint('shown', flush=True)\npanel.gate.wait(60)\nprint('over')"]
    lab.open(page, "busy", cells)
    run_all(lab, page)
    view = View(page)
    expect(outputs(page, 0)).to_contain_text("shown")
    view.press("numbers")
    expect(view.said).to_contain_text("sum 4")
    view.press("more")
    view.press("numbers")  # also after the panel has sent something of its own
    expect(view.said).to_contain_text("sum 4")
    expect(outputs(page, 0)).not_to_contain_text("over")


def test_two_views_share_the_state_and_not_the_answers(lab, page, start):
    lab.open(page, "two", [f"{start}panel", "panel", "panel.state = {'count': 7}", "panel.state"])
    run_all(lab, page)
    one, other = View(page, 0), View(page, 1)
    expect(one.count).to_have_text("count 7")
    expect(other.count).to_have_text("count 7")
    one.press("more")
    expect(other.count).to_have_text("count 8")
    one.press("numbers")
    expect(one.said).to_contain_text("sum 4")
    expect(other.said).to_be_empty()
    assert page.console_errors == []


def test_closing_the_panel_takes_it_from_the_page(lab, page, start):
    lab.open(page, "close", [f"{start}panel", "panel.close()"])
    lab.command(page, "notebook:run-cell-and-select-next")
    view = View(page)
    view.press("wait")
    expect(view.said).to_have_text("asked")
    page.locator(".jp-CodeCell .cm-content").nth(1).click()  # the cell that was clicked into may be the active one
    lab.command(page, "notebook:run-cell-and-select-next")
    expect(view.element).to_have_count(0)


def test_a_restarted_notebook_kernel_is_told_and_the_cell_shows_the_panel_again(lab, page, start):
    lab.open(page, "restart", [f"{start}panel"])
    run_all(lab, page)
    view = View(page)
    view.press("numbers")
    expect(view.said).to_contain_text("sum 4")
    view.press("wait")  # also in the middle of an answer
    expect(view.said).to_have_text("asked")
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart() }")
    expect(view.sign).to_contain_text("cell again")
    lab.wait_until_idle(page)
    run_all(lab, page)
    view.press("numbers")
    expect(view.said).to_contain_text("sum 4")
    expect(view.sign).to_be_hidden()


def test_a_panel_is_there_again_after_the_page_was_loaded_again(lab, page, start):
    lab.open(page, "reload", [f"{start}panel"])
    run_all(lab, page)
    view = View(page)
    view.press("more")
    expect(view.count).to_have_text("count 1")
    lab.save(page)
    page.reload()
    expect(view.count).to_have_text("count 1")
    view.press("numbers")
    expect(view.said).to_contain_text("sum 4")


def test_a_saved_notebook_opened_with_another_notebook_kernel_shows_the_twin(lab, page, start):
    lab.open(page, "saved", [f"{start}panel"])
    run_all(lab, page)
    expect(View(page).count).to_have_text("count 0")
    expect(page.locator(".example-twin")).to_be_attached()  # it is made when the view has what it asked for
    lab.save(page)
    lab.open_again(page, "saved")
    expect(page.locator(".example-twin")).to_have_text("the twin: count 0")
    expect(page.locator(".example-twin")).to_be_visible()
    expect(page.get_by_text("model not found")).to_be_hidden()
    expect(View(page).element).to_have_count(0)
