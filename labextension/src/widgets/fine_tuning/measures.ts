/** What is measured at each step: its name, and how its numbers are written. */

import { byteSize } from "../../lib/byte-sizes.ts";
import { grouped } from "../../lib/numbers.ts";
import { compact } from "../../lib/ticks.ts";
import type { ColumnName } from "./series.ts";
import type { State } from "./state.ts";

export type Measure = State["below"][number];

interface Words {
  name: string;
  write(value: number): string;
  /** How a number of its axis is written; null: as it is. */
  tick: ((value: number) => string) | null;
}

export const MEASURES: Record<Measure, Words> = {
  learning_rate: { name: "learning rate", write: compact, tick: null },
  tokens_per_second: { name: "speed", write: (value) => `${grouped(Math.round(value))} tok/s`, tick: compact },
  memory: { name: "memory", write: byteSize, tick: byteSize },
  grad_norm: { name: "gradient norm", write: (value) => compact(Number(value.toPrecision(3))), tick: null },
};

export const MEASURE_NAMES = Object.keys(MEASURES) as (Measure & ColumnName)[];

/** A loss with as many decimals as differ from step to step. */
export function lossText(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return Math.abs(value) >= 100 ? compact(value) : value.toFixed(value < 0.1 ? 4 : 3);
}

export function measureText(measure: Measure, value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? "–" : MEASURES[measure].write(value);
}
