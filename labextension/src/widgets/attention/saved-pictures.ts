/** The small pictures of whole maps in a saved page: those of its grid, and what can be made of them. */

import type { Interval, LayerOverview, MapQuestion, Picture } from "./source.ts";

type Whole = Pick<MapQuestion, "which" | "part" | "hide_sink">;
type HeadQuestion = Omit<MapQuestion, "queries" | "keys">;
type Sizes = readonly [n_queries: number, n_keys: number];

export class SavedPictures {
  #layers = new Map<string, LayerOverview>();

  /** Keeps a layer's pictures; of the same in two sizes the finer ones. */
  keep(question: Whole, found: LayerOverview): void {
    const name = nameOf(question, found.layer);
    const known = this.#layers.get(name)?.heads[0]?.rows ?? 0;
    if ((found.heads[0]?.rows ?? 0) >= known) this.#layers.set(name, found);
  }

  layer(question: Whole, layer: number): LayerOverview | null {
    return this.#layers.get(nameOf(question, layer)) ?? null;
  }

  /**
   * The rectangle as a picture of its own: a piece of one that has a pixel for each weight, which is the same for means
   * and maxima; for the mean of a whole map also one that is coarser than was asked for.
   */
  cut(question: MapQuestion & { size: number; reduction: "mean" | "max" }, [n_queries, n_keys]: Sizes): Picture | null {
    const { queries, keys, size, reduction } = question;
    const whole = this.#of(question);
    if (whole === null) return null;
    const [rows, columns] = [queries[1] - queries[0], keys[1] - keys[0]];
    if (whole.rows === n_queries && whole.columns === n_keys && rows <= size && columns <= size) return piece(whole, queries, keys);
    return reduction === "mean" && rows === n_queries && columns === n_keys && whole.rows <= size ? whole : null;
  }

  #of(question: HeadQuestion): Picture | null {
    return this.layer(question, question.layer)?.heads[question.head] ?? null;
  }
}

function piece(whole: Picture, queries: Interval, keys: Interval): Picture {
  const [rows, columns] = [queries[1] - queries[0], keys[1] - keys[0]];
  const pixels = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    const start = (queries[0] + row) * whole.columns + keys[0];
    pixels.set(whole.pixels.subarray(start, start + columns), row * columns);
  }
  return { rows, columns, peak: whole.peak, pixels };
}

function nameOf({ which, part, hide_sink }: Whole, layer: number): string {
  return JSON.stringify([which, part, hide_sink, layer]);
}
