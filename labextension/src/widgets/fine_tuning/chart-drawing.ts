/** Draws axes, curves and signs of a chart on a canvas. */

import type { Column } from "../../lib/column.ts";
import type { Palette } from "../../lib/palette.ts";
import type { Tick } from "../../lib/ticks.ts";
import { type Area, type Axis, share } from "./chart-scale.ts";
import { Decimated } from "./decimate.ts";
import { drawSign, type Sign } from "./glyphs.ts";

export interface Curve {
  x: Column;
  y: Column;
  color: string;
  width: number;
  dash: readonly number[];
  /** How strong it is drawn, 0 to 1. */
  alpha: number;
  /** Whether each of its points has a dot, as validations that lie far apart have. */
  dots: boolean;
}

export interface Placed {
  sign: Sign;
  x: number;
  /** Where it is on a curve; null: at the edge. */
  y: number | null;
  color: string;
}

/** A curve with more points than this a pixel of width is drawn as the mean of each column of pixels and a band from its least to its largest. */
const CROWDED = 2;
/** How opaque the band is, as a part of what the curve is. */
const BAND = 0.3;
/** Radius of a point, in pixels. */
const DOT = 2.5;

const decimated = new Decimated();

/** Lines and numbers of both axes. */
export function drawAxes(
  context: CanvasRenderingContext2D,
  area: Area,
  { x, y }: { x: Axis; y: Axis },
  { down, across, labels }: { down: Tick[]; across: Tick[]; labels: boolean },
  palette: Palette,
): void {
  const [right, bottom] = [area.left + area.width, area.top + area.height];
  context.font = palette.words;
  context.fillStyle = palette.faint;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const { value, text } of down) {
    const at = Math.round(bottom - share(value, y) * area.height) + 0.5;
    if (at < area.top || at > bottom + 1) continue;
    line(context, area.left, at, right, at);
    context.fillText(text, area.left - 6, at);
  }
  if (!labels) return;
  context.textBaseline = "top";
  for (const { value, text } of across) {
    const at = area.left + share(value, x) * area.width;
    const half = context.measureText(text).width / 2;
    context.textAlign = "center";
    // A number at an end stays within the picture.
    context.fillText(text, Math.min(at, right - half + 6), bottom + 5);
    line(context, Math.round(at) + 0.5, bottom, Math.round(at) + 0.5, bottom + 3);
  }
}

/** A curve; where its points are closer than pixels, their mean and the band that they fill. */
export function drawCurve(context: CanvasRenderingContext2D, curve: Curve, area: Area, axes: { x: Axis; y: Axis }): void {
  const { x, y } = curve;
  const count = Math.min(x.length, y.length);
  // One point more on each side, so that the curve goes on to the edge.
  const start = Math.max(0, x.firstFrom(axes.x.low, 0, count) - 1);
  const stop = Math.min(count, x.firstFrom(axes.x.high, start, count) + 1);
  context.strokeStyle = context.fillStyle = curve.color;
  context.lineWidth = curve.width;
  context.lineJoin = "round";
  context.setLineDash([...curve.dash]);
  if (stop - start > CROWDED * area.width) drawCrowded(context, curve, area, axes);
  else drawPoints(context, curve, area, axes, [start, stop]);
  context.setLineDash([]);
  context.globalAlpha = 1;
}

function drawPoints(
  context: CanvasRenderingContext2D,
  curve: Curve,
  area: Area,
  axes: { x: Axis; y: Axis },
  [start, stop]: readonly [number, number],
): void {
  context.globalAlpha = curve.alpha;
  context.beginPath();
  const dots = new Path2D();
  let drawing = false;
  for (let index = start; index < stop; index++) {
    const [left, top] = [across(curve.x.at(index), area, axes.x), down(curve.y.at(index), area, axes.y)];
    if (Number.isNaN(top)) {
      drawing = false;
      continue;
    }
    if (drawing) context.lineTo(left, top);
    else context.moveTo(left, top);
    drawing = true;
    // A point that has no other to be joined to would not be seen.
    if (!curve.dots && stop - start > 1) continue;
    dots.moveTo(left, top);
    dots.arc(left, top, DOT, 0, 2 * Math.PI);
  }
  context.stroke();
  context.fill(dots);
}

function drawCrowded(context: CanvasRenderingContext2D, curve: Curve, area: Area, axes: { x: Axis; y: Axis }): void {
  const width = Math.max(1, Math.floor(area.width));
  const { low, mean, high } = decimated.fill(curve.x, curve.y, [axes.x.low, axes.x.high], width);
  const step = area.width / width;
  context.globalAlpha = curve.alpha * BAND;
  for (let column = 0; column < width; column++) {
    if (Number.isNaN(low[column])) continue;
    const [top, bottom] = [down(high[column] as number, area, axes.y), down(low[column] as number, area, axes.y)];
    context.fillRect(area.left + column * step, top, step, Math.max(1, (Number.isNaN(bottom) ? area.top + area.height : bottom) - top));
  }
  context.globalAlpha = curve.alpha;
  context.beginPath();
  for (let column = 0; column < width; column++) {
    const top = down(mean[column] as number, area, axes.y);
    if (!Number.isNaN(top)) context.lineTo(area.left + (column + 0.5) * step, top);
  }
  context.stroke();
}

/** Signs on their curve, or below the top edge with a line across the chart. */
export function drawSigns(
  context: CanvasRenderingContext2D,
  signs: readonly Placed[],
  area: Area,
  axes: { x: Axis; y: Axis },
  ground: string,
): void {
  const bottom = area.top + area.height;
  const taken = new Set<string>();
  for (const { sign, x, y, color } of signs) {
    const at = across(x, area, axes.x);
    if (at < area.left - 1 || at > area.left + area.width + 1) continue;
    const place = `${sign} ${Math.round(at / 4)}`;
    if (taken.has(place)) continue;
    taken.add(place);
    context.fillStyle = context.strokeStyle = color;
    context.lineWidth = 1.5;
    if (sign === "checkpoint") {
      context.lineWidth = 1;
      drawSign(context, sign, at, bottom);
      continue;
    }
    const top = y === null ? NaN : down(y, area, axes.y);
    if (!Number.isNaN(top)) {
      drawSign(context, sign, at, top);
      // A ring around it, so that it stands out from its curve.
      context.strokeStyle = ground;
      context.stroke();
      continue;
    }
    context.globalAlpha = 0.5;
    context.lineWidth = 1;
    context.setLineDash([2, 3]);
    line(context, Math.round(at) + 0.5, area.top, Math.round(at) + 0.5, bottom);
    context.setLineDash([]);
    context.globalAlpha = 1;
    context.lineWidth = 1.5;
    drawSign(context, sign, at, area.top - 7);
  }
}

/** The pixel of a value of x. */
export function across(value: number, area: Area, axis: Axis): number {
  return area.left + share(value, axis) * area.width;
}

/** The pixel of a value of y; NaN where it has none. */
export function down(value: number, area: Area, axis: Axis): number {
  const at = share(value, axis);
  return Number.isFinite(at) ? area.top + (1 - at) * area.height : NaN;
}

export function line(context: CanvasRenderingContext2D, left: number, top: number, right: number, bottom: number): void {
  context.beginPath();
  context.moveTo(left, top);
  context.lineTo(right, bottom);
  context.stroke();
}
