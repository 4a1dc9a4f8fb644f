/**
 * A column with its noise taken out: an exponential moving average with bias correction, as TensorBoard's.
 *
 * With weight w each value is w times the average before it and 1 - w times the new number; divided by 1 - w^n after n numbers,
 * as the average begins at 0. Numbers that are none leave it as it is.
 */

import { Column } from "../../lib/column.ts";

export class Smoothed {
  column = new Column();
  #weight = 0;
  #rewinds = 0;
  #average = 0;
  #count = 0;

  /** Computes what is new of a column; `rewinds` says whether some of it was taken back since. */
  follow(source: Column, weight: number, rewinds: number): Column {
    if (weight !== this.#weight || rewinds !== this.#rewinds || source.length < this.column.length) {
      this.column = new Column();
      [this.#weight, this.#rewinds, this.#average, this.#count] = [weight, rewinds, 0, 0];
    }
    for (let index = this.column.length; index < source.length; index++) this.column.append(this.#next(source.at(index)));
    return this.column;
  }

  #next(value: number): number {
    if (!Number.isFinite(value)) return NaN;
    this.#average = this.#weight * this.#average + (1 - this.#weight) * value;
    this.#count++;
    return this.#weight === 0 ? value : this.#average / (1 - this.#weight ** this.#count);
  }
}
