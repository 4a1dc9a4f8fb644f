"""The curves of the fine-tuning panel in Chromium, with a made-up job: frames while somebody looks, and what stays in memory.

    python bench/curves.py

One job has 50,000 steps and does 20 more each second; the pointer moves over its curves, smoothed, with four charts below,
and the time between frames is taken. Another does 100,000 steps while its panel is open, with 200 validations and checkpoints
or with 4,000; memory is what JavaScript holds after a garbage collection, and the numbers of the curves beside it.
Where this machine draws without a GPU it does so here. CHROMIUM names another Chromium or Chrome.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright
from report import heading, met, row

LABEXTENSION = Path(__file__).parent.parent / "labextension"
MOVES, LEAPS, STEPS = 300, 100, 1000
"""How often the pointer moves; how many times so many steps are done."""
FRAME_MS, GROWTH_MB = 1000 / 30, 20
"""Of twenty frames nineteen come sooner; memory grows by no more."""

_FRAMES = """() => {
  window.frames = [];
  let last = performance.now();
  const next = (now) => { window.frames.push(now - last); last = now; requestAnimationFrame(next); };
  requestAnimationFrame(next);
}"""


def main() -> None:
    """Build the page, measure and print."""
    chromium = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        page = _built(Path(directory))
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--allow-file-access-from-files"],
        )
        heading("curves", "measured", "promised", "")
        frames = _frames(browser, page)
        slow = statistics.quantiles(frames, n=20)[-1]
        row("ms between frames, 19 of 20 at most", f"{slow:.1f}", f"{FRAME_MS:.1f}", met(slow <= FRAME_MS))
        for every, count in ((500, 200), (25, 4000)):
            growth = _growth(browser, page, every)
            name = f"MB after 100,000 steps, {count:,} checkpoints"
            row(name, f"{growth:.1f}", str(GROWTH_MB), met(growth < GROWTH_MB))
        browser.close()


def _built(directory: Path) -> str:
    """Return the address of the page, built there."""
    esbuild = LABEXTENSION / "node_modules" / ".bin" / "esbuild"
    options = ["--bundle", "--format=esm", "--target=es2022", f"--outdir={directory}", "--log-level=warning"]
    subprocess.run([esbuild, LABEXTENSION / "try" / "fine-tuning.ts", *options], check=True)
    shutil.copy(LABEXTENSION / "try" / "fine-tuning.html", directory)
    return (directory / "fine-tuning.html").as_uri()


def _frames(browser: Browser, address: str) -> list[float]:
    """Return the milliseconds between frames while the pointer moves over 50,000 steps."""
    below = ["learning_rate", "tokens_per_second", "memory", "grad_norm"]
    state = json.dumps({"smoothing": 0.9, "below": below})
    page = _opened(browser, address, points=50_000, rate=20, state=state)
    box = page.locator(".gpt-main").bounding_box()
    assert box is not None
    page.evaluate(_FRAMES)
    for move in range(MOVES):
        page.mouse.move(box["x"] + 60 + (2 * move) % (box["width"] - 80), box["y"] + 100 + move % 40)
    frames = page.evaluate("() => window.frames.slice(5)")
    page.close()
    return list(frames)


def _growth(browser: Browser, address: str, every: int) -> float:
    """Return by how many MB memory has grown after 100,000 steps with a checkpoint every so many."""
    page = _opened(browser, address, points=10, rate=0, every=every)
    before = _held(page)
    for _ in range(LEAPS):
        page.evaluate("(steps) => { job.leap(steps); return new Promise(requestAnimationFrame); }", STEPS)
    page.wait_for_function("() => document.querySelector('.gpt-numbers').textContent.includes('100,010')")
    growth = _held(page) - before
    page.close()
    return growth


def _opened(browser: Browser, address: str, **question: object) -> Page:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(f"{address}?{urlencode(question)}")
    page.locator(".gpt-numbers").wait_for()
    return page


def _held(page: Page) -> float:
    """Return what JavaScript holds, its typed arrays included, in MB."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    return float(usage["usedSize"] + usage.get("backingStorageSize", 0)) / 1e6


if __name__ == "__main__":
    main()
