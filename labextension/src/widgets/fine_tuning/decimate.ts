/** A curve of any length as one least, mean and largest value for each column of pixels. */

import type { Column, Summary } from "../../lib/column.ts";

/** Of each column of pixels; NaN where no point lies in it. */
export class Decimated {
  low = new Float32Array(0);
  mean = new Float32Array(0);
  high = new Float32Array(0);
  #summary: Summary = { low: 0, high: 0, sum: 0, count: 0 };

  /** Sums up the points of a curve between two values of x, which never falls, into `width` columns. */
  fill(x: Column, y: Column, [from, to]: readonly [number, number], width: number): this {
    if (this.mean.length !== width) {
      [this.low, this.mean, this.high] = [new Float32Array(width), new Float32Array(width), new Float32Array(width)];
    }
    const last = Math.min(x.length, y.length);
    let start = x.firstFrom(from, 0, last);
    for (let column = 0; column < width; column++) {
      const end = from + ((column + 1) / width) * (to - from);
      const stop = column === width - 1 ? pastEqual(x, to, start, last) : x.firstFrom(end, start, last);
      const { low, high, sum, count } = y.over(start, stop, this.#summary);
      this.low[column] = count > 0 ? low : NaN;
      this.high[column] = count > 0 ? high : NaN;
      this.mean[column] = count > 0 ? sum / count : NaN;
      start = stop;
    }
    return this;
  }
}

/** The index after the last one whose x is not above a value. */
function pastEqual(x: Column, value: number, start: number, last: number): number {
  let stop = x.firstFrom(value, start, last);
  while (stop < last && x.at(stop) <= value) stop++;
  return stop;
}
