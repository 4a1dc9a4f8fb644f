/** The numbers of a job's steps, one growing column for each of `COLUMNS`; no object is kept for a step. */

import { Column } from "../../lib/column.ts";
import { COLUMNS } from "./source.ts";

export type ColumnName = (typeof COLUMNS)[number];

export class Series {
  readonly columns = Object.fromEntries(COLUMNS.map((name) => [name, new Column()])) as Record<ColumnName, Column>;
  /** How often rows were taken back: what was computed from them is then to be computed anew. */
  rewinds = 0;

  get rows(): number {
    return this.columns.step.length;
  }

  /** Replaces the rows from an index on by those of a buffer (row, column); steps and seconds never fall. */
  take(row: number, values: Float32Array): void {
    if (row < this.rows) {
      this.rewinds++;
      for (const column of Object.values(this.columns)) column.truncate(row);
    }
    const whole = values.length - (values.length % COLUMNS.length);
    for (let at = 0; at < whole; at += COLUMNS.length) {
      COLUMNS.forEach((name, index) => {
        const column = this.columns[name];
        const value = values[at + index] as number;
        const rises = name === "step" || name === "seconds";
        const before = column.at(column.length - 1);
        column.append(rises && !(value >= before) && column.length > 0 ? before : value);
      });
    }
  }
}
