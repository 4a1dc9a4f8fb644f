"""Figures of attention in JupyterLab: drawn without the internet, and on the page's own background."""

import pytest
from playwright.sync_api import expect

pytest.importorskip("plotly")
pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

FIGURES = [
    'import gpt_notebook as gpt\na = gpt.attention("Once upon a time there was a fox.\\nHe ran.")\na.plot(1, 3)',
    'gpt.patch("The girl was glad, because", "The boy was glad, because", answer=" she", wrong=" he").plot()',
    "a.plot()",
    'gpt.attention("The fox ran home. " * 60).plot(1, 3)',
]
BACKGROUNDS = "nodes => nodes.map(node => getComputedStyle(node).backgroundColor)"

CUT_OFF = """figure => {
  const room = figure.closest(".jp-OutputArea-output").getBoundingClientRect()
  return [...figure.querySelectorAll("text, .nsewdrag")].filter(each => {
    const box = each.getBoundingClientRect()
    return box.width && (box.left < room.left || box.right > room.right || box.top < room.top || box.bottom > room.bottom)
  }).map(each => each.textContent)
}"""
"""What of a figure lies outside of its cell."""


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_figures_are_drawn_without_the_internet(lab, page, theme):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    lab.open(page, f"figures-{theme}", FIGURES, theme=f"JupyterLab {theme}")
    lab.command(page, "notebook:run-all-cells")
    drawn = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .js-plotly-plot")
    expect(drawn).to_have_count(len(FIGURES))
    expect(drawn.nth(0).locator(".heatmaplayer image")).to_be_visible()
    expect(drawn.nth(0)).to_contain_text("·upon (1)")
    expect(drawn.nth(0)).to_contain_text("⏎ (")
    expect(drawn.nth(1)).to_contain_text("which head brings back ·she over ·he")
    expect(drawn.nth(2).locator(".heatmaplayer image")).to_be_visible()
    for each in drawn.all():
        assert each.evaluate(CUT_OFF) == []
    drawn.nth(2).scroll_into_view_if_needed()
    frame = drawn.nth(2).locator(".nsewdrag").bounding_box()
    page.mouse.move(frame["x"] + 3, frame["y"] + 3)
    expect(drawn.nth(2).locator(".hoverlayer")).to_contain_text("layer 0, head 0")
    assert set(drawn.locator(".main-svg").evaluate_all(BACKGROUNDS)) == {"rgba(0, 0, 0, 0)"}
    assert [url for url in asked if not url.startswith((lab.url, "data:", "blob:"))] == []
    assert page.console_errors == []
