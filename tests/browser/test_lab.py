"""`%%gpt` in a real JupyterLab: what a person sees and can stop."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

PICTURES = Path(__file__).parents[2] / "build" / "pictures"

HOW_TEXT_FLOWS = """() => [...new Set([...document.querySelectorAll('.gpt-notebook pre')].map(each => getComputedStyle(each)).map(
    style => `${style.overflow} ${style.whiteSpace} ${style.wordBreak}`))]"""
"""JupyterLab's own rules would scroll each text and break its words."""

TOUR = [
    "%load_ext gpt_notebook",
    "%%gpt --seed 7 --max 90\nOnce upon a time",
    "%%gpt --tokens --seed 5 --max 60\nIn the deep forest",
    "%%gpt -n 2 --seed 11 --max 40\nThe king wanted",
    "%gpt status",
    "%%gpt --temprature 1\nOnce",
]


def outputs(page):
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .jp-Cell-outputArea")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_notebook_shows_stories_tokens_and_one_line_errors(lab, page, theme):
    lab.open(page, f"tour-{theme}", TOUR, theme=f"JupyterLab {theme}")
    lab.command(page, "notebook:run-all-cells")
    expect(outputs(page).nth(1)).to_contain_text("seed 7")
    expect(outputs(page).nth(2)).to_contain_text("seed 5")
    expect(outputs(page).nth(5)).to_contain_text("did you mean --temperature?")
    expect(outputs(page).nth(4)).to_contain_text("storyteller")
    assert page.evaluate(HOW_TEXT_FLOWS) == ["visible pre-wrap normal"]
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"tour-{theme.lower()}.png")
    assert page.console_errors == []


def test_interrupting_keeps_the_text_and_stops_run_all(lab, page):
    # So hot that it comes to no end by itself before somebody can interrupt it.
    hot = "%%gpt --max 480 --seed 2 --temperature 3\nOnce upon a time"
    lab.open(page, "interrupt", ["%load_ext gpt_notebook", hot, "print('reached')"])
    lab.command(page, "notebook:run-all-cells")
    expect(outputs(page).nth(1)).to_contain_text("raining")
    lab.command(page, "notebook:interrupt-kernel")
    expect(outputs(page).nth(1)).to_contain_text("Interrupted")
    expect(outputs(page).nth(1)).to_contain_text("incomplete")
    expect(outputs(page).nth(2)).not_to_contain_text("reached")
