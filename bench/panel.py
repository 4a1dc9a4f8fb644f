"""The attention panel in a real JupyterLab, in Chromium: what crosses, and how soon heads are painted.

    python bench/panel.py [--rounds 3] [--only short long many]

Takes models as `bench/attention.py` does: GPT-2's 124 M shape at 512 and 4,096 tokens, and 32 layers of 32 heads at 1,024.
Each round records another text in one cell and makes a panel of it in the next; times are from executing that next cell,
or from when the panel's element is on the page. Something is painted in the frame after it was drawn on a canvas of the
page. MB (10⁶ bytes) are those of all widget messages until the dozen, the chosen head and all heads are painted, with the
panel's own program, which comes when it is opened. CHROMIUM names another Chromium or Chrome.

Longer than a file should be: it is one measurement, of which the notebook, the page and the arithmetic are the parts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nbformat
from attention import LLAMA
from own_model_kernel import GPT2, own_model_kernel, random_text, save_random_model
from playwright.sync_api import Locator, Page, sync_playwright
from report import heading, met, numbers, row

SHAPES = {"short": (GPT2, 512), "long": (GPT2, 4096), "many": (LLAMA, 1024)}
"""Models, and tokens."""
HEADS, CELLS, MOVES = 9, 12, 120
"""How many heads are chosen, cells pointed at and steps made by the pointer in a round."""
Figures = dict[str, list[float]]
"""The values of all rounds by name."""

PROMISES = (
    ("short", "MB for the first full view", "at most", 1),
    ("short", "first head ms", "at most", 500),
    ("short", "all heads ms", "at most", 1000),
    ("short", "another head ms", "at most", 100),
    ("short", "numbers that are not the exact float32", "at most", 0),
    ("short", "readout ms, once its block has come", "at most", 1000 / 60),
    ("long", "first head ms", "at most", 800),
    ("long", "all heads ms", "at most", 20_000),
    ("long", "layers that come once stopped", "at most", 0),
    ("long", "frames/s zooming", "at least", 30),
    ("long", "frames/s dragging", "at least", 30),
    ("many", "all heads ms", "at most", 6000),
)

WATCH = r"""
(() => {
  const text = (name) => document.querySelector(`.gpt-attention ${name}`)?.textContent ?? "";
  let [old, loading, drawn, painted, before, moved, was] = [null, false, new Set(), false, 0, 0, ""];
  const watch = (window.watch = { marks: {}, frames: [], readouts: [] });
  watch.begin = () => {
    [old, loading] = [document.querySelector(".gpt-attention"), false];
    watch.marks = { began: performance.now() };
  };
  const mark = (name) => { watch.marks[name] ??= performance.now(); };
  const soon = (name) => { const { marks } = watch; requestAnimationFrame(() => marks === watch.marks && mark(name)); };
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (image, ...rest) {
    draw.call(this, image, ...rest);
    if (this.canvas.closest(".gpt-heads-window")) drawn.add(image);
    else if (this.canvas.isConnected && this.canvas.closest(".gpt-plot")) {
      painted = true;
      if (watch.marks.appeared) soon("head");
    }
  };
  const each = (now) => {
    watch.frames.push([now - before, painted]);
    [before, painted] = [now, false];
    const panel = document.querySelector(".gpt-attention");
    if (panel && panel !== old) {
      mark("appeared");
      const status = text(".gpt-heads-head .gpt-note");
      const all = /top \d/.test(text(".gpt-heads-head .gpt-tools"));
      if (!all && drawn.size >= 12) soon("dozen");
      if (all && /maps:/.test(status)) loading = true;
      if (all && loading && !/maps:|stopped/.test(status)) soon("all");
      if (watch.marks.head && !/to come/.test(text(".gpt-matrix-foot .gpt-note"))) soon("fine");
    }
    drawn = new Set();
    requestAnimationFrame(each);
  };
  requestAnimationFrame(each);
  addEventListener("click", ({ timeStamp }) => {
    const { head, fine, ...others } = watch.marks;
    watch.marks = { ...others, clicked: timeStamp };
  }, true);
  addEventListener("pointermove", () => { [moved, was] = [performance.now(), text(".gpt-matrix .gpt-readout")]; }, true);
  addEventListener("pointermove", () => {
    const began = moved;
    if (text(".gpt-matrix .gpt-readout") === was || /[≈…]/.test(text(".gpt-matrix .gpt-readout b"))) return;
    requestAnimationFrame(() => watch.readouts.push(performance.now() - began));
  });
})();
"""
IDLE = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
RUN = """async ([index, code]) => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.widgets[index].model.sharedModel.setSource(code);
  content.activeCellIndex = index;
  if (index === 0) window.watch.begin();
  const done = window.jupyterapp.commands.execute("notebook:run-cell");
  if (index === 0) return [];
  await done;
  return content.widgets[index].model.outputs.toJSON();
}"""
"""Execute a cell: the first is the panel's, which is not waited for, the second is for all else."""
EXACT = "() => /^[^≈…]+$/.test(document.querySelector('.gpt-matrix .gpt-readout b')?.textContent)"
COMPARE = """
wrong = 0
for query, key, text in {asked}:
    ends = [slice(each // 128 * 128, each // 128 * 128 + 128) for each in (query, key)]
    block = a.map(*panel.chosen, queries=ends[0], keys=ends[1], hide_sink=True)
    wrong += int(np.float32(text) != block[query % 128, key % 128])
print(wrong)
"""
"""A product of other sizes is rounded in another order, so that the same block is asked for as by the view."""


def main() -> None:
    """Measure each shape, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=SHAPES, default=list(SHAPES))
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {options.rounds} rounds")
    kept = True
    for shape in options.only:
        config, length = SHAPES[shape]
        with tempfile.TemporaryDirectory(prefix="gpt-") as directory, own_model_kernel():
            model = save_random_model(Path(directory) / "model", config)
            with notebook(Path(directory)) as measured:
                figures = measured.figures(model, shape, length, options.rounds)
        kept &= print_figures(shape, length, figures)
    if not kept:
        raise SystemExit(1)


class Measured:
    """A notebook of two cells in JupyterLab, and what is measured in it."""

    def __init__(self, page: Page) -> None:
        """Count what a page receives: bytes by type of message, and layers' pictures."""
        self.page, self.received, self.layers = page, Counter[str](), 0
        self.head = page.locator(".gpt-heads-head")
        page.on("websocket", lambda websocket: websocket.on("framereceived", self._count))

    def _count(self, frame: str | bytes) -> None:
        """Take a message in the binary form of Jupyter's `v1.kernel.websocket.jupyter.org`."""
        if isinstance(frame, str):
            return
        places = [
            int.from_bytes(frame[i : i + 8], "little") for i in range(8, 8 * int.from_bytes(frame[:8], "little") + 8, 8)
        ]
        header, content = (json.loads(frame[places[i] : places[i + 1]]) for i in (1, 4))
        self.received[header["msg_type"]] += len(frame)
        said = content.get("data", {}).get("content", {})
        self.layers += said.get("kind") == "part" and "layer" in said["result"]

    def run(self, code: str, cell: int = 1) -> str:
        """Execute code and return what it prints."""
        outputs = self.page.evaluate(RUN, [cell, code])
        assert all(each["output_type"] != "error" for each in outputs), outputs
        return "".join(each.get("text", "") for each in outputs)

    def until(self, *marks: str) -> dict[str, float]:
        """Wait until all of these are painted, and return when, in milliseconds since the page began."""
        self.page.wait_for_function("marks => marks.every(each => window.watch.marks[each])", arg=list(marks))
        found: dict[str, float] = self.page.evaluate("watch.marks")
        return found

    def figures(self, model: str, shape: str, length: int, rounds: int) -> Figures:
        """Measure a shape; the first panel of a notebook, which imports what panels need, is apart."""
        self.run(f"import numpy as np, gpt_notebook as gpt; a = gpt.attention('Warm up.', model={model!r})")
        self.run("panel = a.panel(); panel", 0)
        marks = self.until("head")
        found: Figures = {"first panel of a notebook ms": [marks["head"] - marks["began"]]}
        for seed in range(rounds):
            for name, values in self.round(model, shape, length, seed).items():
                found.setdefault(name, []).extend(values)
        return found

    def round(self, model: str, shape: str, length: int, seed: int) -> Figures:
        """Record two texts, so that of the second nothing is computed yet, and make panels of them."""
        found: Figures = {}
        for text, state, until in ((seed, "", "dozen"), (seed + 1000, "all_heads=True", "all")):
            self.run(
                f"a = gpt.attention({random_text(length, text)!r}, model={model!r}); assert len(a.tokens) == {length}"
            )
            self.received.clear()
            self.run(f"panel = a.panel({state}); panel", 0)
            marks = self.until("head", "fine", until)
            found.setdefault("element ms", []).append(marks["appeared"] - marks["began"])
            names = {"head": "first head", "fine": "its finest", "dozen": "the dozen", "all": "all heads"}
            for mark in ("head", "fine", until):
                found.setdefault(f"{names[mark]} ms", []).append(marks[mark] - marks["began"])
                found.setdefault(f"{names[mark]} ms from the element", []).append(marks[mark] - marks["appeared"])
            if until == "dozen":
                self.head.get_by_text(re.compile("^all ")).click()
                if shape == "long":
                    found["layers that come once stopped"] = [self.stopped()]
                self.until("all")
                sizes = {kind: count / 1e6 for kind, count in self.received.items()}
                found["MB for the first full view"] = [
                    sum(size for kind, size in sizes.items() if kind.startswith("comm"))
                ]
                found["MB of them when it is opened"] = [sizes["comm_open"]]
                found["MB beside, of the still twin"] = [sizes["display_data"]]
        more = {"short": self.readouts, "long": self.gestures}.get(shape, lambda _: {})
        return found | self.others(seed) | more(seed)

    def stopped(self) -> float:
        """Stop the fetching of layers, go on, and return how many came in between."""
        self.head.get_by_text("stop", exact=True).click()
        self.page.wait_for_timeout(300)  # what was on its way
        before = self.layers
        self.page.wait_for_timeout(3000)
        late = self.layers - before
        self.head.get_by_text("go on", exact=True).click()
        return late

    def others(self, seed: int) -> Figures:
        """Click other heads in the grid, each once."""
        choose, seen = random.Random(seed), {self.page.locator(".gpt-matrix-title").inner_text()}  # noqa: S311
        canvas, readout = self.page.locator(".gpt-heads-window canvas"), self.page.locator(".gpt-heads .gpt-readout")
        left, top, width, height = place(canvas)
        first, fine = [], []
        while len(first) < HEADS:
            at = left + width * choose.random(), top + height * choose.random()
            self.page.mouse.move(*at)
            self.page.wait_for_timeout(50)
            name = readout.inner_text().split(" · ")[0]
            if name in seen or canvas.evaluate("each => each.style.cursor") != "pointer":
                continue
            seen.add(name)
            self.page.mouse.click(*at)
            marks = self.until("clicked", "head", "fine")
            first.append(marks["head"] - marks["clicked"])
            fine.append(marks["fine"] - marks["clicked"])
        return {"another head ms": [statistics.median(first)], "its finest, another head ms": [statistics.median(fine)]}

    def readouts(self, seed: int) -> Figures:
        """Point at cells of the map, then at their neighbours, and compare what is read out."""
        choose, told, waited = random.Random(seed), [], []  # noqa: S311 - nothing secret
        left, top, side = self.map()
        self.page.evaluate("watch.readouts = []")
        for down in (choose.uniform(0.05, 0.95) for _ in range(CELLS)):
            at = left + side * choose.uniform(0.01, down), top + side * down
            began = time.perf_counter()
            self.page.mouse.move(*at)
            self.page.wait_for_function(EXACT)
            waited.append(1e3 * (time.perf_counter() - began))
            told.append(self.page.locator(".gpt-matrix .gpt-readout").text_content() or "")
            for step in range(1, 5):
                self.page.mouse.move(at[0] + step, at[1])
                self.page.wait_for_timeout(20)
        cells = [re.findall(r" (\d+) → key .* (\d+)  (\S+)$", each)[0] for each in told]
        wrong = self.run(COMPARE.format(asked=[[int(query), int(key), value] for query, key, value in cells]))
        return {
            "numbers that are not the exact float32": [float(wrong)],
            "readout ms, once its block has come": [statistics.median(self.page.evaluate("watch.readouts"))],
            "readout ms, its block not there yet": [statistics.median(waited)],
        }

    def gestures(self, _: int) -> Figures:
        """Zoom into the map, out and in again, and drag it."""
        left, top, side = self.map()
        mouse, middle, found = self.page.mouse, (left + side / 2, top + side / 2), Figures()
        mouse.move(*middle)
        for name in ("zooming", "dragging"):
            if name == "zooming":
                self.page.keyboard.down("Control")
            else:
                mouse.down()
            self.page.evaluate("watch.frames = []")
            for step in range(MOVES):
                if name == "zooming":
                    mouse.wheel(0, 8 if MOVES / 3 <= step < 2 * MOVES / 3 else -8)
                else:
                    mouse.move(middle[0] + 150 * math.sin(step / 12), middle[1] + 150 * math.sin(step / 19))
            frames = self.page.evaluate("watch.frames")[1:]
            times = sorted(each for each, _ in frames)
            found[f"frames/s {name}"] = [1e3 / statistics.median(times)]
            found[f"95 % of frames {name} within ms"] = [times[len(times) * 95 // 100]]
            found[f"redraws/s {name}"] = [1e3 * sum(painted for _, painted in frames) / sum(times)]
            self.page.keyboard.up("Control")
        mouse.up()
        return found

    def map(self) -> tuple[float, float, float]:
        """Return where the map that is wholly shown begins within its rulers, and its side."""
        left, top, width, height = place(self.page.locator(".gpt-plot"))
        rulers = (60, 56) if width < 420 else (80, 68)  # noqa: PLR2004 - as the panel has them
        return left + rulers[0], top + rulers[1], min(width - rulers[0], height - rulers[1])


def place(what: Locator) -> tuple[float, float, float, float]:
    """Bring something into view, and return where it is: left, top, width and height."""
    what.scroll_into_view_if_needed()
    box = what.bounding_box()
    assert box
    return box["x"], box["y"], box["width"], box["height"]


@contextlib.contextmanager
def notebook(directory: Path) -> Iterator[Measured]:
    """Open a notebook in a JupyterLab of its own, and end both with the block."""
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    cells = [nbformat.v4.new_code_cell(), nbformat.v4.new_code_cell()]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), directory / "panel.ipynb")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    own = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR"]
    environment = os.environ | {name: str(directory) for name in (*own, "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")}
    options = ["--no-browser", "--allow-root", "--expose-app-in-browser", "--IdentityProvider.token=bench"]
    options += [f"--port={port}", "--ServerApp.port_retries=0", f"--notebook-dir={directory}"]
    with (
        (directory / "lab.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log
        ) as server,
        sync_playwright() as playwright,
    ):
        try:
            while server.poll() is None:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/api/status?token=bench", timeout=10):  # noqa: S310
                    break
                time.sleep(0.1)
            flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            chromium = shutil.which(os.environ.get("CHROMIUM", "chromium"))
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(120_000)
            page.add_init_script(WATCH)
            measured = Measured(page)
            page.goto(f"{url}/lab/tree/panel.ipynb?reset&token=bench")
            page.wait_for_function(IDLE)
            yield measured
            browser.close()
        finally:
            server.terminate()


def print_figures(shape: str, length: int, figures: Figures) -> bool:
    """Print what was measured and which promises hold; return whether all do."""
    print(f"\n## {shape.capitalize()}: n = {length:,}\n")
    heading("measured", "median", "smallest", "largest")
    for name, values in figures.items():
        row(name, *numbers([statistics.median(values), min(values), max(values)]))
    print()
    heading("promised", "measured", "")
    kept = []
    for _, figure, how, limit in (each for each in PROMISES if each[0] == shape):
        value = statistics.median(figures[figure])
        kept.append(value <= limit if how == "at most" else value >= limit)
        row(f"{figure}: {how} {limit:,.4g}", *numbers([value]), met(kept[-1]))
    return all(kept)


if __name__ == "__main__":
    main()
