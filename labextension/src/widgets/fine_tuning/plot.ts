/** One chart: curves over an axis that it shares with others, and above them a crosshair that is drawn by itself. */

import { Endings } from "../../lib/asking.ts";
import { type Frame, Surface } from "../../lib/canvas.ts";
import type { Summary } from "../../lib/column.ts";
import { make } from "../../lib/elements.ts";
import { type Palette, paletteOf } from "../../lib/palette.ts";
import { linearTicks, logTicks, type Tick, timeTicks, wholeTicks } from "../../lib/ticks.ts";
import { across, type Curve, down, drawAxes, drawCurve, drawSigns, line, type Placed } from "./chart-drawing.ts";
import { type Area, type Axis, axisAround, extentWithin } from "./chart-scale.ts";
import { listenTo, type Pointed } from "./plot-pointer.ts";

/** Around the curves, for signs and for numbers, in pixels where numbers are as high as `SIZE`. */
const MARGINS = { left: 48, right: 12, top: 6, bottom: 6 };
const SIGNS = 14;
const LABELS = 20;
/** How much room a number of an axis wants. */
const NUMBER = { across: 72, down: 28 };
const SIZE = 11;

export interface Content {
  x: Axis;
  unit: "step" | "seconds";
  /** Whether the y axis is logarithmic. */
  log: boolean;
  curves: readonly Curve[];
  signs: readonly Placed[];
  /** How a number of the y axis is written; null: as it is. */
  format: ((value: number) => string) | null;
}

/** What is pointed at: a value of x, with a dot on each of these points. */
export interface Pointing {
  x: number;
  dots: readonly { x: number; y: number; color: string }[];
}

export interface PlotOptions {
  label: string;
  /** Whether it has the numbers of the x axis, and room for signs. */
  main: boolean;
  dark(): boolean;
  on: Pointed;
}

export class Plot {
  readonly element: HTMLElement;
  #options: PlotOptions;
  #curves: Surface;
  #crosshair: Surface;
  #endings = new Endings();
  #content: Content | null = null;
  #pointing: Pointing | null = null;
  #selection: readonly [number, number] | null = null;
  #palette: Palette | null = null;
  #y: Axis = { low: 0, high: 1, log: false };
  #summary: Summary = { low: 0, high: 0, sum: 0, count: 0 };

  constructor(options: PlotOptions) {
    this.#options = options;
    this.element = make("div", {
      class: `gpt-curve-plot${options.main ? " gpt-main" : ""}`,
      tabindex: options.main ? 0 : -1,
      role: "application",
      "aria-roledescription": "chart",
      "aria-label": options.label,
    });
    this.#curves = new Surface(this.element, (frame) => this.#draw(frame));
    this.#crosshair = new Surface(this.element, (frame) => this.#drawPointing(frame));
    listenTo(this.element, () => ({ left: MARGINS.left * this.#larger(), right: MARGINS.right }), options.on, this.#endings);
  }

  show(content: Content): void {
    this.#content = content;
    this.#curves.redraw();
    this.#crosshair.redraw();
  }

  point(pointing: Pointing | null): void {
    this.#pointing = pointing;
    this.#crosshair.redraw();
  }

  select(selection: readonly [number, number] | null): void {
    this.#selection = selection;
    this.#crosshair.redraw();
  }

  /** The page's colours or fonts have changed. */
  repaint(): void {
    this.#palette = null;
    this.#curves.redraw();
    this.#crosshair.redraw();
  }

  /** It has another size, or other fonts. */
  resize(): void {
    this.repaint();
    this.#curves.resize();
    this.#crosshair.resize();
  }

  destroy(): void {
    this.#endings.end();
    this.#curves.destroy();
    this.#crosshair.destroy();
  }

  #colors(): Palette {
    return (this.#palette ??= paletteOf(this.element, this.#options.dark()));
  }

  /** How many times as large as usual the numbers are, as for a projector. */
  #larger(): number {
    return this.#colors().size / SIZE;
  }

  #area({ width, height }: Pick<Frame, "width" | "height">): Area {
    const top = MARGINS.top + (this.#options.main ? SIGNS : 0);
    const bottom = MARGINS.bottom + (this.#options.main ? LABELS * this.#larger() : 0);
    const left = MARGINS.left * this.#larger();
    return { left, top, width: Math.max(1, width - left - MARGINS.right), height: Math.max(1, height - top - bottom) };
  }

  #draw(frame: Frame): void {
    if (this.#content === null) return;
    const { context } = frame;
    const { x, log, curves, signs } = this.#content;
    const palette = this.#colors();
    const area = this.#area(frame);
    this.#y = this.#extent(curves, x, log);
    const axes = { x, y: this.#y };
    drawAxes(context, area, axes, { ...this.#ticks(area), labels: this.#options.main }, palette);
    context.save();
    context.beginPath();
    context.rect(area.left - 3, area.top - 3, area.width + 6, area.height + 6);
    context.clip();
    for (const curve of curves) drawCurve(context, curve, area, axes);
    context.restore();
    drawSigns(context, signs, area, axes, palette.paper);
  }

  #extent(curves: readonly Curve[], x: Axis, log: boolean): Axis {
    let [low, high] = [Infinity, -Infinity];
    for (const curve of curves) {
      const found = extentWithin(curve.x, curve.y, x.low, x.high, this.#summary);
      low = Math.min(low, found.low);
      high = Math.max(high, found.high);
    }
    return axisAround(low, high, log);
  }

  #ticks(area: Area): { down: Tick[]; across: Tick[] } {
    const { x, unit, format } = this.#content!;
    const y: [number, number] = [this.#y.low, this.#y.high];
    const rows = Math.max(2, Math.floor(area.height / (NUMBER.down * this.#larger())));
    const found = this.#y.log ? logTicks(y, rows) : linearTicks(y, rows);
    const columns = Math.max(3, Math.floor(area.width / (NUMBER.across * this.#larger())));
    const time = unit === "seconds";
    return {
      down: format === null ? found : found.map(({ value }) => ({ value, text: format(value) })),
      across: time ? timeTicks([x.low, x.high], columns) : wholeTicks([x.low, x.high], columns),
    };
  }

  #drawPointing(frame: Frame): void {
    const content = this.#content;
    if (content === null) return;
    const { context } = frame;
    const area = this.#area(frame);
    const palette = this.#colors();
    if (this.#selection !== null) {
      const [from, to] = this.#selection;
      context.fillStyle = palette.accent;
      context.globalAlpha = 0.15;
      context.fillRect(area.left + from * area.width, area.top, (to - from) * area.width, area.height);
      context.globalAlpha = 1;
    }
    if (this.#pointing === null) return;
    const at = across(this.#pointing.x, area, content.x);
    if (at < area.left - 1 || at > area.left + area.width + 1) return;
    context.strokeStyle = palette.faint;
    context.lineWidth = palette.crosshair;
    line(context, Math.round(at) + 0.5, area.top, Math.round(at) + 0.5, area.top + area.height);
    for (const { x, y, color } of this.#pointing.dots) {
      const top = down(y, area, this.#y);
      if (Number.isNaN(top)) continue;
      context.fillStyle = color;
      context.strokeStyle = palette.paper;
      context.lineWidth = 1.5;
      context.beginPath();
      context.arc(across(x, area, content.x), top, 3.5, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
  }
}
