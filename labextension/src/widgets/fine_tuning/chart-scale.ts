/** From numbers to pixels and back, along one axis of a chart. */

import type { Column, Summary } from "../../lib/column.ts";

/** What an axis spans; `low` is above 0 where it is logarithmic. */
export interface Axis {
  low: number;
  high: number;
  log: boolean;
}

/** The part of a canvas that curves are drawn in, in pixels. */
export interface Area {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Where a number lies, 0 to 1. */
export function share(value: number, { low, high, log }: Axis): number {
  if (log) return value > 0 ? Math.log(value / low) / Math.log(high / low) : -Infinity;
  return (value - low) / (high - low);
}

/** The number at a place between 0 and 1. */
export function valueAt(at: number, { low, high, log }: Axis): number {
  return log ? low * (high / low) ** at : low + at * (high - low);
}

/** An axis that shows numbers from `low` to `high` with some room; of numbers that are all alike, some around them. */
export function axisAround(low: number, high: number, log: boolean): Axis {
  if (!(high >= low)) return { low: log ? 0.1 : 0, high: 1, log };
  if (log && low > 0) {
    const room = Math.max((high / low) ** 0.06, 1.02);
    return { low: low / room, high: high * room, log };
  }
  const room = 0.06 * (high - low) || 0.1 * Math.abs(high) || 1;
  const bottom = low >= 0 ? Math.max(0, low - room) : low - room;
  return { low: bottom, high: high + room, log: false };
}

/** The least and the largest number of the points of a curve within a stretch of x; infinite where there is none. */
export function extentWithin(x: Column, y: Column, low: number, high: number, into: Summary): Summary {
  return y.over(x.firstFrom(low), x.firstFrom(high) + 1, into);
}
