/** What the charts show: the job's curves and those of others, signs, and the values at a place. */

import type { Column } from "../../lib/column.ts";
import { grouped } from "../../lib/numbers.ts";
import { duration } from "../../lib/ticks.ts";
import type { Curve, Placed } from "./chart-drawing.ts";
import type { Axis } from "./chart-scale.ts";
import { otherLook, ownColors } from "./curve-colors.ts";
import type { History } from "./history.ts";
import { lossText, type Measure, measureText } from "./measures.ts";
import type { Other } from "./others.ts";
import type { Smoothed } from "./smoothed.ts";
import type { State } from "./state.ts";

/** Validations that have a dot each; of more the dots would hide the curve. */
const MOST_DOTS = 80;

export type Stretch = readonly [low: number, high: number];

/** What is drawn: the job, its smoothed loss, and others. */
export interface Drawn {
  history: History;
  smoothed: Smoothed;
  others: readonly Other[];
  state: Readonly<State>;
  dark: boolean;
}

/** The x axis: a stretch that was chosen, or all there is. */
export function xAxis({ history, others, state }: Drawn, chosen: Stretch | null): Axis {
  if (chosen !== null) return { low: chosen[0], high: chosen[1], log: false };
  const last = (each: History): number => {
    const column = each.series.columns[state.axis];
    const validation = each.validation[state.axis];
    return Math.max(column.at(column.length - 1) || 0, validation.at(validation.length - 1) || 0);
  };
  const high = Math.max(last(history), ...others.map((other) => last(other.history)));
  return { low: 0, high: high > 0 ? high : 1, log: false };
}

/** Training and validation loss, those of others below them. */
export function lossCurves(drawn: Drawn): Curve[] {
  const { history, smoothed, others, state, dark } = drawn;
  const own = ownColors(dark);
  const curves = others.flatMap(({ history: other, smoothed: smooth }, index) => {
    const { color, dash } = otherLook(index, dark);
    const look = { color, width: 1.25, alpha: 0.9, dots: false };
    const { columns, rewinds } = other.series;
    const loss = smooth.follow(columns.loss, state.smoothing, rewinds);
    return [
      { ...look, dash, x: columns[state.axis], y: loss },
      { ...look, dash, x: other.validation[state.axis], y: other.validation.loss, dots: true },
    ];
  });
  const { columns, rewinds } = history.series;
  const training = { x: columns[state.axis], color: own.training, dash: [], dots: false };
  if (state.smoothing > 0) {
    const smooth = smoothed.follow(columns.loss, state.smoothing, rewinds);
    curves.push({ ...training, y: columns.loss, width: 1, alpha: 0.3 }, { ...training, y: smooth, width: 2, alpha: 1 });
  } else {
    curves.push({ ...training, y: columns.loss, width: 1.5, alpha: 1 });
  }
  const { validation } = history;
  const dots = validation.loss.length < MOST_DOTS;
  curves.push({ x: validation[state.axis], y: validation.loss, color: own.validation, width: 1.75, dash: [], alpha: 1, dots });
  return curves;
}

export function measureCurves({ history, others, state, dark }: Drawn, measure: Measure): Curve[] {
  const of = ({ series }: History) => ({ x: series.columns[state.axis], y: series.columns[measure] });
  const look = { width: 1.25, alpha: 1, dots: false };
  return [
    ...others.map(({ history: other }, index) => ({ ...of(other), ...look, ...otherLook(index, dark) })),
    { ...of(history), ...look, color: ownColors(dark).training, dash: [] },
  ];
}

/** Checkpoints that are there, pauses, failures and where memory ran out. */
export function signsOf({ history, state, dark }: Drawn, faint: string, error: string): Placed[] {
  const { info, marks } = history;
  if (info === null) return [];
  const place = (step: number, seconds: number): number => (state.axis === "step" ? step : seconds);
  const signs: Placed[] = [];
  let before = "";
  for (const mark of marks) {
    const x = place(mark.step, mark.seconds);
    if (mark.kind === "out_of_memory") signs.push({ sign: "out_of_memory", x, y: null, color: error });
    if (mark.kind === "checkpoint" && info.checkpoints.some(({ step }) => step === mark.step)) {
      signs.push({ sign: "checkpoint", x, y: null, color: faint });
    }
    if (mark.kind === "validation" && mark.step === info.best_step) {
      signs.push({ sign: "best", x, y: mark.loss, color: ownColors(dark).validation });
    }
    if (mark.kind !== "state" || mark.state === before) continue;
    before = mark.state;
    const stopped = mark.state === "failed" || mark.state === "cancelled";
    if (stopped) signs.push({ sign: "failed", x, y: null, color: error });
    else if (mark.state === "paused") signs.push({ sign: "paused", x, y: null, color: faint });
  }
  return signs;
}

export interface Value {
  name: string;
  text: string;
  color: string | null;
  dash?: readonly number[];
}

/** The values at the point with an index of the job's steps. */
export function valuesAt(drawn: Drawn, index: number): Value[] {
  const { history, smoothed, others, state, dark } = drawn;
  const own = ownColors(dark);
  const { columns, rewinds } = history.series;
  const x = columns[state.axis].at(index);
  const values: Value[] = [
    { name: "step", text: index < 0 ? "–" : grouped(columns.step.at(index)), color: null },
    { name: "time", text: index < 0 ? "–" : duration(columns.seconds.at(index)), color: null },
    { name: "training", text: lossText(columns.loss.at(index)), color: own.training },
  ];
  if (state.smoothing > 0) {
    const smooth = smoothed.follow(columns.loss, state.smoothing, rewinds).at(index);
    values.push({ name: "smoothed", text: lossText(smooth), color: own.training });
  }
  values.push({ name: "validation", text: lossText(lastUpTo(history.validation, state.axis, x)), color: own.validation });
  others.forEach(({ history: other, smoothed: smooth }, at) => {
    const series = other.series.columns;
    const nearest = Number.isNaN(x) ? -1 : series[state.axis].nearest(x);
    const loss = smooth.follow(series.loss, state.smoothing, other.series.rewinds).at(nearest);
    values.push({ name: other.info?.name ?? "", text: lossText(loss), ...otherLook(at, dark) });
  });
  return values;
}

export function measureAt({ history }: Drawn, measure: Measure, index: number): string {
  return measureText(measure, history.series.columns[measure].at(index));
}

/** The newest validation that was not after a place. */
function lastUpTo(validation: History["validation"], axis: State["axis"], x: number): number {
  const column: Column = validation[axis];
  let index = column.firstFrom(x);
  if (index === column.length || column.at(index) > x) index--;
  return validation.loss.at(index);
}
