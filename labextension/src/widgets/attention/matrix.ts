/** The map of the chosen head, with zoom and pan, and beside it that of a second one: pinned, or of the other attention. */

import { Endings } from "../../lib/asking.ts";
import { onResize } from "../../lib/canvas.ts";
import { sequential } from "../../lib/color.ts";
import { button, make, set } from "../../lib/elements.ts";
import { gestures, type Point } from "../../lib/gestures.ts";
import { legend, type LegendContent } from "../../lib/legend.ts";
import { grouped } from "../../lib/numbers.ts";
import { visible } from "../../lib/text.ts";
import { clamped, fitted, levelFor, type Viewport, zoomed } from "../../lib/tiles.ts";
import { modelName, otherName, partOf, sidesOf } from "./chosen.ts";
import { pictureOf } from "./matrix-picture.ts";
import { HeadPlot } from "./matrix-plot.ts";
import { type Chosen, sayCell, showCell } from "./matrix-readout.ts";
import { type HeadQuestion, type Paint, tileCache } from "./matrix-tiles.ts";
import type { Context, MakeView } from "./view.ts";

/** Pixels of a cell: of small maps when all is shown, and when zoomed in as far as it goes. */
const [COMFORTABLE, LARGEST] = [40, 72];
/** From this width on two maps are side by side, otherwise one below the other. */
const [WIDE, BETWEEN] = [480, 16];
/** Pixels of a map's height: at least, at most, and as a share of the window's. */
const [LOW, HIGH, SHARE] = [240, 600, 0.7];
/** Milliseconds between questions for tiles while dragging. */
const OFTEN = 80;

export const matrixView: MakeView = (context: Context) => {
  const { store, hover } = context;
  const endings = new Endings();
  const cache = tileCache();
  const scaleLegend = legend();
  const title = make("span", { class: "gpt-matrix-title" });
  const sign = make("span", { class: "gpt-sign gpt-sink-sign", title: "The first key, where heads attend that have nothing to say, is hidden" });
  sign.textContent = "first key hidden, rows rescaled to 1";
  const fit = button("show all", { does: "show the whole map", key: "0", press: () => showAll() });
  const plots = make("div", { class: "gpt-plots", tabindex: 0, role: "application", "aria-roledescription": "attention map" });
  const readout = make("div", { class: "gpt-readout" });
  const note = make("span", { class: "gpt-note" });
  const pending = make("span", { class: "gpt-note gpt-pending" });
  const element = make(
    "section",
    { class: "gpt-matrix" },
    make("div", { class: "gpt-matrix-head" }, title, sign),
    plots,
    make("div", { class: "gpt-matrix-foot" }, readout, fit, note, pending, scaleLegend.element),
  );

  let shown: HeadPlot[] = [];
  let ends: (() => void)[] = [];
  let viewport: Viewport = { x: 0, y: 0, scale: 1 };
  /** Whether the viewport is the one that shows everything, and stays so when the size changes. */
  let whole = true;
  let [pointed, moving] = [0, false];
  let how: Paint | null = null;
  let explained: LegendContent | null = null;
  let [asked, later] = [0, 0];

  const first = () => shown[0] as HeadPlot;
  const limits = () => ({ smallest: fitted(first().size, first().extent, COMFORTABLE).scale, largest: LARGEST });
  const names = () => shown.map(({ question }) => `layer ${question.layer} head ${question.head}${question.which === 1 ? ` of ${otherName(context.opened)}` : ""}`);

  /** The heads to show, the chosen one first. */
  function questions(): HeadQuestion[] {
    const { part, layer, head, pinned, hide_sink, side } = store.get();
    const own: HeadQuestion = { which: 0, part, layer, head, hide_sink };
    if (pinned) return [own, { ...own, ...pinned }];
    return side === "diff" && context.opened.other ? [own, { ...own, which: 1 }] : [own];
  }

  function build(): void {
    for (const end of ends) end();
    const before = shown[0]?.size;
    for (const plot of shown) plot.destroy();
    shown = questions().map(plotOf);
    ends = shown.map((plot, index) => listen(plot, index));
    plots.replaceChildren(...shown.map((plot) => plot.element));
    if (before?.rows !== first().size.rows || before.columns !== first().size.columns) whole = true;
    how = null;
    for (const plot of shown) plot.tiles.wantFirst();
    describe();
    layout();
    recolor();
    pointerMoved();
  }

  function plotOf(question: HeadQuestion, index: number): HeadPlot {
    const info = question.which === 0 ? context.opened.info : (context.opened.other ?? context.opened.info);
    const { n_queries: rows, n_keys: columns } = partOf(info, question.part);
    const seen = () => ({ viewport, how, hover: hover.get(), chosen: store.get(), pointed: pointed === index, moving });
    const marksOnly = () => {
      tell();
      for (const plot of shown) plot.mark();
    };
    return new HeadPlot(context, question, { rows, columns }, sidesOf(info, question.part), cache, seen, { tile: recolor, exact: marksOnly });
  }

  function describe(): void {
    const [one, other] = names();
    title.replaceChildren(one ?? "");
    title.title = shown.some(({ question }) => question.which === 1) ? visible(context.opened.other?.model ?? "") : "";
    if (other) title.append(make("span", { class: "gpt-note" }, " and "), other);
    if (store.get().pinned) title.append(button("×", { does: "unpin the second head", class: "gpt-unpin", press: () => store.set({ pinned: null }) }));
    const { rows, columns } = first().size;
    const size = `${grouped(rows)} queries by ${grouped(columns)} keys`;
    set(plots, { "aria-label": `Attention of ${names().join(" and ")}: ${size}. Arrows move the chosen query and key, plus and minus zoom, 0 shows all.` });
    sign.hidden = !store.get().hide_sink;
  }

  /** Gives each map its place: side by side where there is room, as high as its cells need. */
  function layout(): void {
    const width = element.clientWidth;
    if (width === 0 || shown.length === 0) return;
    const beside = shown.length > 1 && width >= WIDE;
    plots.classList.toggle("gpt-beside", beside);
    for (const plot of shown) plot.resize();
    const { left, top } = first().rulers;
    const inner = (beside ? (width - BETWEEN) / 2 : width) - left;
    const most = Math.max(LOW, Math.min(HIGH, window.innerHeight * SHARE));
    const { rows, columns } = first().size;
    const scale = Math.min(COMFORTABLE, inner / columns, most / rows);
    const height = Math.ceil(Math.min(most, Math.max(48, rows * scale))) + top + 2;
    for (const plot of shown) {
      plot.element.style.height = `${height}px`;
      plot.resize();
    }
    if (whole) viewport = fitted(first().size, first().extent, COMFORTABLE);
    else viewport = clamped({ ...viewport, scale: Math.max(viewport.scale, limits().smallest) }, first().size, first().extent);
    show();
  }

  function show(): void {
    set(fit, { disabled: whole });
    for (const plot of shown) plot.redraw();
    const wait = asked + OFTEN - performance.now();
    if (wait <= 0) ask();
    else if (!later) later = window.setTimeout(ask, wait);
  }

  function ask(): void {
    clearTimeout(later);
    [asked, later] = [performance.now(), 0];
    for (const plot of shown) {
      plot.tiles.want(viewport, plot.extent, plot.ratio);
      plot.exact.wantWhole();
    }
    annotate();
  }

  /** Chooses the colours of what is there: one scale for both maps, so that they can be compared. */
  function recolor(): void {
    const peaks = shown.map((plot) => plot.tiles.peak).filter((peak) => peak !== null);
    if (peaks.length > 0) {
      const [dark, { log }] = [context.dark(), store.get()];
      const high = Math.max(...peaks.map(({ end }) => end)) || 1;
      how = { span: { low: 0, high, log }, scale: sequential(dark), name: `${high} ${log} ${dark}` };
      explained = { title: "weight", span: how.span, scale: how.scale, beyond: peaks.some(({ peak }) => peak > high) };
      scaleLegend.show(explained);
    }
    annotate();
    for (const plot of shown) plot.redraw();
  }

  /** Says what a pixel of the map is, and what is still to come. */
  function annotate(): void {
    const side = 2 ** levelFor(viewport.scale * first().ratio, first().size);
    const missing = shown.reduce((sum, plot) => sum + plot.tiles.missing, 0);
    const parts = side > 1 ? [`each dot the largest of ${side} × ${side}`] : [];
    if (store.get().hide_sink && shown.every((plot) => plot.tiles.peak?.peak === 0)) parts.push("all attention is on the hidden first key");
    pending.textContent = missing > 0 ? `${missing} tile${missing > 1 ? "s" : ""} to come` : "";
    note.textContent = parts.join(" · ");
  }

  function showAll(): void {
    whole = true;
    viewport = fitted(first().size, first().extent, COMFORTABLE);
    show();
  }

  function zoom(factor: number, at: Point): void {
    const { left, top } = first().rulers;
    const inside = { left: Math.max(0, at.left - left), top: Math.max(0, at.top - top) };
    viewport = clamped(zoomed(viewport, factor, inside, limits()), first().size, first().extent);
    whole = viewport.scale <= limits().smallest * 1.001;
    show();
  }

  function go(x: number, y: number): void {
    viewport = clamped({ ...viewport, x, y }, first().size, first().extent);
    show();
  }

  function listen(plot: HeadPlot, index: number): () => void {
    return gestures(plot.element, {
      pan: (moved) => go(viewport.x - moved.left / viewport.scale, viewport.y - moved.top / viewport.scale),
      zoom,
      pans: () => !whole,
      dragging: (now) => {
        moving = now;
        plot.element.classList.toggle("gpt-dragging", now);
        show();
      },
      hover: (at) => {
        pointed = index;
        hover.set((at && plot.cellAt(at)) ?? { query: null, key: null });
      },
      click: (at) => {
        plots.focus({ preventScroll: true });
        const cell = plot.cellAt(at);
        if (cell) store.set(cell);
      },
    });
  }

  /** The cell that is read out: under the pointer, or the chosen one. */
  function current(): Chosen | null {
    const { rows, columns } = first().size;
    for (const { query, key } of [hover.get(), store.get()]) {
      if (query !== null && key !== null && query < rows && key < columns) return { query, key };
    }
    return null;
  }

  function tell(): void {
    showCell(readout, current(), shown);
  }

  function pointerMoved(): void {
    const cell = current();
    if (cell && element.isConnected) for (const plot of shown) plot.exact.want(cell.query, cell.key);
    tell();
    for (const plot of shown) plot.mark();
  }

  /** Moves the chosen cell, and the map so far that it is seen. */
  function move(down: number, right: number): void {
    const { size, extent } = first();
    const { query, key } = store.get();
    const within = (position: number, length: number) => Math.max(0, Math.min(length - 1, position));
    const cell = { query: within((query ?? size.rows - 1) + down, size.rows), key: within((key ?? Math.min(size.columns, size.rows) - 1) + right, size.columns) };
    hover.set({ query: null, key: null });
    store.set(cell);
    const into = (start: number, position: number, length: number) => Math.min(position, Math.max(start, position + 1 - length / viewport.scale));
    go(into(viewport.x, cell.key, extent.width), into(viewport.y, cell.query, extent.height));
    context.announce(sayCell(cell, first()));
  }

  function pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== plots) return;
    const step = event.shiftKey ? 10 : 1;
    const { extent, rulers } = first();
    const middle = { left: rulers.left + extent.width / 2, top: rulers.top + extent.height / 2 };
    const does: Record<string, () => void> = {
      ArrowUp: () => move(-step, 0),
      ArrowDown: () => move(step, 0),
      ArrowLeft: () => move(0, -step),
      ArrowRight: () => move(0, step),
      "+": () => zoom(1.5, middle),
      "=": () => zoom(1.5, middle),
      "-": () => zoom(1 / 1.5, middle),
      "0": showAll,
    };
    const action = does[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  endings.listen(plots, "keydown", pressed);
  endings.add(
    store.on(["part", "layer", "head", "pinned", "hide_sink", "side"], () => {
      if (JSON.stringify(questions()) !== JSON.stringify(shown.map(({ question }) => question))) build();
    }),
    store.on(["log"], recolor),
    store.on(["query", "key"], pointerMoved),
    hover.on(["query", "key"], pointerMoved),
    context.onTheme(() => {
      for (const plot of shown) plot.recolor();
      recolor();
    }),
  );
  endings.add(onResize(element, layout));
  build();

  return {
    element,
    resize() {
      layout();
      // What is chosen is asked for only while the map is on the page, which it may have come to just now.
      pointerMoved();
    },
    png() {
      const hidden = store.get().hide_sink ? " · first key hidden, rows rescaled to 1" : "";
      return pictureOf(plots, shown, { title: `${modelName(context.opened.info)} · ${names().join(" and ")}${hidden}`, dark: context.dark(), legend: explained });
    },
    destroy() {
      clearTimeout(later);
      for (const end of ends) end();
      for (const plot of shown) plot.destroy();
      endings.end();
      element.remove();
    },
  };
};
