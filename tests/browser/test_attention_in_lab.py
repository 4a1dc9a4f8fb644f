"""The attention panel in a real JupyterLab: every view, numbers that are the model's, and keys that stay in the panel."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

PICTURES = Path(__file__).parents[2] / "build" / "pictures"

TEXT = "Once upon a time there was a little fox named Pip. Pip wanted to see the sea. One day Pip"
IMPORT = "import json, numpy as np, gpt_notebook as gpt"
MAKE = f"panel = gpt.AttentionPanel({TEXT!r}, layer=1, head=5, query=13)\npanel"


class View:
    """One panel on the page."""

    def __init__(self, page, number=0):
        self.page = page
        self.element = page.locator(".gpt-attention").nth(number)
        self.tokens = self.element.locator(".gpt-strip .gpt-token")
        self.says = self.element.locator(".gpt-strip .gpt-says")
        self.notice = self.element.locator(".gpt-notice")
        self.view = self.element.get_by_role("group", name="view")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def opened(lab, page):
    """A panel."""
    lab.open(page, "panel", [IMPORT, MAKE, "1 + 1"])
    lab.command(page, "notebook:run-all-cells")
    view = View(page)
    expect(view.tokens).to_have_count(22)
    expect(view.says).to_contain_text("“wanted” (13) attends to in L1 H5")
    return view


def run(lab, page, code):
    """Run code in the notebook and return what it prints."""
    lab.command(page, "notebook:insert-cell-below")
    cell = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell.jp-mod-active")
    cell.locator(".cm-content").click()
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")
    output = cell.locator(".jp-OutputArea-output pre")
    expect(output).to_have_count(1)
    return output.inner_text()


def test_every_view_opens_without_an_error_or_a_request_to_somewhere_else(page, opened):
    opened.tokens.nth(13).click()
    opened.press("2")
    expect(opened.element.locator(".gpt-lines-view")).to_be_visible()
    opened.press("3")
    expect(opened.element.locator(".gpt-steps-table")).to_be_visible()
    opened.press("1")
    expect(opened.element.locator(".gpt-plot")).to_be_visible()
    opened.press("4")
    expect(opened.element.locator(".gpt-lens tr")).to_have_count(7)
    opened.press("x")
    expect(opened.element.locator(".gpt-ablate")).to_contain_text("nats")
    opened.press("?")
    expect(opened.element.get_by_role("dialog", name="keys")).to_be_visible()
    opened.press("Escape")
    expect(opened.element.get_by_role("dialog", name="keys")).to_be_hidden()
    expect(opened.notice).to_be_hidden()
    assert page.console_errors == []
    assert page.asked_elsewhere == []


def test_the_steps_are_the_models_own_numbers(opened):
    opened.tokens.nth(13).click()
    opened.press("3")
    steps = opened.element.locator(".gpt-steps")
    for name, what in (("scale", "raw scores"), ("softmax", "weights"), ("Σ w · v", "output")):
        steps.get_by_role("tab", name=name).click()
        expect(steps).to_contain_text(f"✓ equal to the model's {what}")


def test_a_weight_under_the_pointer_is_the_exact_float32(lab, page, opened):
    opened.element.get_by_role("button", name="hide the first token").click()
    opened.tokens.nth(13).click()
    opened.tokens.nth(3).hover()
    value = opened.element.locator(".gpt-strip .gpt-value")
    expect(value).to_have_text(re.compile(r"time \(3\) [^≈]+$"))
    shown = value.inner_text().split()[-1]
    assert shown == opened.element.locator(".gpt-matrix .gpt-readout b").inner_text()
    assert shown == run(lab, page, "print(panel.attention.map(1, 5)[13, 3])").strip()


def test_hiding_the_first_token_divides_by_what_is_left_and_says_so(lab, page, opened):
    expect(opened.element.locator(".gpt-strip .gpt-sign")).to_contain_text("first token hidden")
    opened.tokens.nth(13).hover()
    value = opened.element.locator(".gpt-strip .gpt-value")
    expect(value).to_have_text(re.compile(r"\(13\) [^≈]+$"))
    shown = value.inner_text().split()[-1]
    assert shown == opened.element.locator(".gpt-matrix .gpt-readout b").inner_text()
    exact = float(run(lab, page, "row = panel.attention.map(1, 5)[13]; print(row[13] / row[1:].sum())"))
    assert float(shown) == pytest.approx(exact, rel=1e-6)


def test_what_is_not_there_to_compare_with_is_said_and_the_message_goes_by_itself(opened):
    opened.tokens.nth(5).click()
    before = opened.element.locator(".gpt-body").bounding_box()
    opened.press("6")
    expect(opened.notice).to_contain_text("There is nothing to compare with")
    assert opened.element.locator(".gpt-body").bounding_box() == before
    expect(opened.notice).to_be_hidden()


def test_a_token_stays_marked_while_what_made_it_is_looked_at(lab, page):
    make = "panel = gpt.AttentionPanel(gpt.generate('Once upon a time', max_new_tokens=12, seed=1), layer=1, head=5)\npanel"
    lab.open(page, "made", [IMPORT, make])
    lab.command(page, "notebook:run-all-cells")
    view = View(page)
    view.tokens.nth(9).click()
    card, each = view.element.locator(".gpt-card"), view.element.locator(".gpt-each summary")
    expect(each).to_contain_text(re.compile(r"what each head of layer 1 looked at when .* was made \(row of .* 8\)"))
    view.element.get_by_role("button", name="the row of the token before").click()
    expect(view.says).to_contain_text(re.compile(r"when .* \(9\) was made, in L1 H5 \(row of .* 8\)"))
    expect(card).to_contain_text(re.compile(r"when .* \(9\) was made \(row of .* 8\)"))
    expect(view.tokens.nth(9)).to_have_attribute("aria-selected", "true")
    expect(view.tokens.nth(8)).not_to_have_attribute("aria-selected", "true")
    view.tokens.nth(8).click()
    expect(view.says).to_contain_text("(8) attends to in L1 H5")
    expect(card).to_contain_text("(8)")


def test_the_chosen_head_is_among_those_that_are_shown_small(opened):
    expect(opened.element.locator(".gpt-heads [role=gridcell]")).to_contain_text("previous-token")
    opened.element.locator(".gpt-heads-scroll").focus()
    opened.press("End")
    expect(opened.element.locator(".gpt-heads [role=gridcell]")).to_contain_text("layer 1 head 5")


def test_the_notebooks_keys_do_nothing_while_the_panel_has_the_focus(page, opened):
    cells = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")
    expect(cells).to_have_count(3)
    opened.tokens.nth(5).click()
    opened.press("a", "b", "d", "d", "m", "y", "x", "z", "Shift+M")
    opened.press("ArrowRight")
    expect(opened.says).to_contain_text("(6)")
    expect(cells).to_have_count(3)


def test_the_panel_keeps_the_focus_when_what_had_it_is_gone_and_escape_gives_it_back(page, opened):
    cells = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")
    opened.element.locator(".gpt-plot").click()
    opened.press("2", "3")
    expect(opened.element.locator(".gpt-steps-table")).to_be_visible()
    opened.press("Escape", "Escape", "Escape", "b")
    expect(cells).to_have_count(4)


def test_the_state_in_python_is_what_is_seen(lab, page, opened):
    opened.tokens.nth(7).click()
    opened.press("d", "2", ".")
    expect(opened.says).to_contain_text("(7) is attended by in L1 H6")
    state = json.loads(run(lab, page, "print(json.dumps(panel.state))"))
    assert (state["key"], state["direction"], state["view"], state["head"]) == (7, "by", "lines", 6)


def test_two_views_of_a_panel_show_the_same(lab, page):
    lab.open(page, "twice", [IMPORT, MAKE, "panel"])
    lab.command(page, "notebook:run-all-cells")
    views = View(page, 0), View(page, 1)
    for view in views:
        expect(view.tokens).to_have_count(22)
    views[1].tokens.nth(8).click()
    expect(views[0].says).to_contain_text("“fox” (8)")


def test_a_model_kernel_that_is_gone_is_started_by_a_button(lab, page, opened):
    assert run(lab, page, "gpt.shutdown(force=True); print('stopped')") == "stopped\n"
    opened.tokens.nth(4).click()
    expect(opened.notice).to_contain_text("not running")
    opened.element.get_by_role("button", name="start a model kernel").click()
    expect(opened.notice).to_contain_text("The model kernel was started.")
    expect(opened.says).to_contain_text("“there” (4)")
    opened.tokens.nth(9).click()
    expect(opened.element.locator(".gpt-card")).to_contain_text("at “named” (9)")


@pytest.mark.parametrize(("theme", "width"), [("Light", 1400), ("Dark", 1400), ("Light", 620)])
def test_the_panel_is_as_wide_as_its_cell(lab, page, theme, width):
    page.set_viewport_size({"width": width, "height": 1000})
    lab.open(page, f"wide-{theme}-{width}", [IMPORT, MAKE], theme=f"JupyterLab {theme}")
    lab.command(page, "notebook:run-all-cells")
    view = View(page)
    expect(view.tokens).to_have_count(22)
    expect(view.element).to_have_attribute("data-theme", theme.lower())
    assert view.element.evaluate("element => element.scrollWidth <= element.clientWidth")
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"attention-panel-{theme}-{width}.png")


@pytest.mark.parametrize("width", [1400, 1100, 620])
def test_the_text_stays_where_it_is_when_the_pointer_comes(lab, page, width):
    page.set_viewport_size({"width": width, "height": 1000})
    lab.open(page, "panel", [IMPORT, MAKE])
    lab.command(page, "notebook:run-all-cells")
    view = View(page)
    expect(view.says).to_contain_text("“wanted” (13) attends to in L1 H5")
    value = view.element.locator(".gpt-strip .gpt-value")
    view.tokens.nth(9).scroll_into_view_if_needed()
    before = view.tokens.nth(9).bounding_box()
    view.tokens.nth(9).hover()
    expect(value).to_contain_text("named (9)")
    assert view.tokens.nth(9).bounding_box() == before
