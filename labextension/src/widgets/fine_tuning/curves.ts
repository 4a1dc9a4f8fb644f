/** The charts: loss on top, what else was asked for below, one crosshair through all of them. */

import { Endings } from "../../lib/asking.ts";
import { make, set } from "../../lib/elements.ts";
import { counted, grouped } from "../../lib/numbers.ts";
import { paletteOf } from "../../lib/palette.ts";
import { type Axis, share, valueAt } from "./chart-scale.ts";
import { ownColors } from "./curve-colors.ts";
import { type Drawn, lossCurves, measureAt, measureCurves, signsOf, type Stretch, valuesAt, xAxis } from "./curves-content.ts";
import { curvesTools } from "./curves-tools.ts";
import { type Sign, SIGN_WORDS, signKey } from "./glyphs.ts";
import { type Measure, MEASURES } from "./measures.ts";
import { Others } from "./others.ts";
import type { Pointed } from "./plot-pointer.ts";
import { Plot } from "./plot.ts";
import { Readout } from "./readout.ts";
import { Smoothed } from "./smoothed.ts";
import type { Context, View } from "./view.ts";

/** The shortest stretch that can be zoomed to, in steps or seconds. */
const SHORTEST = 2;

interface Below {
  element: HTMLElement;
  plot: Plot;
  value: HTMLElement;
}

export interface CurvesView extends View {
  /** Closes a menu, or shows all again; whether there was something to undo. */
  back(): boolean;
  /** Shows all steps. */
  all(): void;
  step(by: number): void;
}

export function curvesView(context: Context): CurvesView {
  const { store, source, history, dark, onTheme, failed, announce } = context;
  const endings = new Endings();
  const smoothed = new Smoothed();
  const others = new Others(source, { changed: () => later(), failed });
  const below = new Map<Measure, Below>();
  const belowBox = make("div", { class: "gpt-below" });
  const readout = new Readout();
  const key = make("div", { class: "gpt-curves-key" });
  let chosen: Stretch | null = null;
  let index = -1;
  let frame = 0;
  let keyed = "";
  let described = "";

  const drawn = (): Drawn => ({ history, smoothed, others: others.shown, state: store.get(), dark: dark() });
  const steps = () => history.series.columns[store.get().axis];
  const plots = (): Plot[] => [loss, ...[...below.values()].map(({ plot }) => plot)];

  const zoomTo = (stretch: Stretch | null): void => {
    chosen = stretch;
    tools.zoomed(chosen !== null);
    update();
  };
  const on: Pointed = {
    hover(at) {
      index = at === null ? -1 : steps().nearest(valueAt(at, xAxis(drawn(), chosen)));
      hovered();
    },
    selecting: (from, to) => plots().forEach((plot) => plot.select([from, to])),
    selected(stretch) {
      plots().forEach((plot) => plot.select(null));
      if (stretch === null) return;
      const axis = xAxis(drawn(), chosen);
      const [low, high] = [valueAt(stretch[0], axis), valueAt(stretch[1], axis)];
      if (high - low >= SHORTEST) zoomTo([low, high]);
    },
    zoom(factor, at) {
      const axis = xAxis(drawn(), chosen);
      const whole = xAxis(drawn(), null);
      const middle = Number.isNaN(at) ? crosshairAt(axis) : at;
      const length = Math.max(SHORTEST, (axis.high - axis.low) / factor);
      if (length >= whole.high - whole.low) return zoomTo(null);
      const low = Math.max(whole.low, Math.min(whole.high - length, valueAt(middle, axis) - middle * length));
      zoomTo([low, low + length]);
    },
    all: () => zoomTo(null),
    step,
  };

  const label = "training and validation loss; arrows move the crosshair, + and − zoom, 0 shows all";
  const loss = new Plot({ label, main: true, dark, on });
  const tools = curvesTools(context, () => zoomTo(null));

  /** Where the crosshair is, 0 to 1; the middle where there is none. */
  function crosshairAt(axis: Axis): number {
    return index < 0 ? 0.5 : Math.min(1, Math.max(0, share(steps().at(index), axis)));
  }

  function step(by: number): void {
    const column = steps();
    if (column.length === 0) return;
    const from = index < 0 ? column.length - 1 : index + by;
    index = Math.max(0, Math.min(column.length - 1, from));
    const axis = xAxis(drawn(), chosen);
    const x = column.at(index);
    if (x < axis.low || x > axis.high) {
      const half = (axis.high - axis.low) / 2;
      chosen = [x - half, x + half];
      update();
    }
    hovered();
    announce(valuesAt(drawn(), index).map(({ name, text }) => `${name} ${text}`).join(", "));
  }

  /** Draws everything in the next frame, however often it is asked to. */
  function later(): void {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      update();
    });
  }

  function hovered(): void {
    const now = drawn();
    const at = index < 0 ? history.series.rows - 1 : index;
    readout.show(valuesAt(now, at));
    const x = steps().at(at);
    const own = ownColors(now.dark);
    const pointed = index >= 0;
    const { columns, rewinds } = history.series;
    const training = now.state.smoothing > 0 ? smoothed.follow(columns.loss, now.state.smoothing, rewinds) : columns.loss;
    loss.point(pointed ? { x, dots: [{ x, y: training.at(at), color: own.training }] } : null);
    for (const [measure, { plot, value }] of below) {
      value.textContent = measureAt(now, measure, at);
      plot.point(pointed ? { x, dots: [{ x, y: columns[measure].at(at), color: own.training }] } : null);
    }
  }

  function showBelow(): void {
    const wanted = store.get().below;
    for (const [measure, { element, plot }] of below) {
      if (wanted.includes(measure)) continue;
      plot.destroy();
      element.remove();
      below.delete(measure);
    }
    for (const measure of wanted) {
      if (below.has(measure)) continue;
      const plot = new Plot({ label: MEASURES[measure].name, main: false, dark, on });
      const value = make("span", { class: "gpt-number" });
      const title = make("div", { class: "gpt-below-title" }, make("span", { class: "gpt-faint-text" }, MEASURES[measure].name), value);
      below.set(measure, { element: make("div", { class: "gpt-below-chart" }, title, plot.element), plot, value });
    }
    belowBox.replaceChildren(...wanted.map((measure) => below.get(measure)!.element));
    later();
  }

  function showKey(signs: readonly Sign[], now: Drawn): void {
    const told = JSON.stringify([signs, now.dark]);
    if (told === keyed) return;
    keyed = told;
    const { text } = paletteOf(element, now.dark);
    key.replaceChildren(...signs.map((sign) => signKey(sign, sign === "best" ? ownColors(now.dark).validation : text)));
  }

  function update(): void {
    const now = drawn();
    const x = xAxis(now, chosen);
    const { faint } = paletteOf(element, now.dark);
    const signs = signsOf(now, faint, now.dark ? "#ef5350" : "#d32f2f");
    const { axis, log_scale } = now.state;
    const shared = { x, unit: axis };
    loss.show({ ...shared, log: log_scale, curves: lossCurves(now), signs, format: null });
    for (const [measure, { plot }] of below) {
      plot.show({ ...shared, log: false, curves: measureCurves(now, measure), signs: [], format: MEASURES[measure].tick });
    }
    const there = (Object.keys(SIGN_WORDS) as Sign[]).filter((sign) => signs.some((each) => each.sign === sign));
    showKey(there, now);
    describe();
    hovered();
  }

  function describe(): void {
    const { step } = history.series.columns;
    const count = step.length;
    const text = count === 0 ? "no step yet" : `${counted(count, "step")}, ${grouped(step.at(0))} to ${grouped(step.at(count - 1))}`;
    if (text === described) return;
    described = text;
    set(loss.element, { "aria-description": text });
  }

  const parts = [tools.element, readout.element, loss.element, belowBox, key];
  const element = make("section", { class: "gpt-part gpt-curves", "aria-label": "curves" }, ...parts);
  const want = (): void => others.want(store.get().others.filter((id) => id !== store.get().job));
  endings.add(
    store.on(["smoothing", "log_scale"], later),
    store.on(["axis"], () => zoomTo(null)),
    store.on(["below"], showBelow),
    store.on(["others"], () => (want(), later())),
    onTheme(() => {
      keyed = "";
      for (const plot of plots()) plot.repaint();
      later();
    }),
  );
  want();
  showBelow();
  return {
    element,
    update,
    step,
    all: () => zoomTo(null),
    back() {
      if (tools.back()) return true;
      const zoomed = chosen !== null;
      if (zoomed) zoomTo(null);
      return zoomed;
    },
    resize: () => plots().forEach((plot) => plot.resize()),
    destroy() {
      cancelAnimationFrame(frame);
      endings.end();
      others.destroy();
      tools.destroy();
      for (const plot of plots()) plot.destroy();
    },
  };
}
