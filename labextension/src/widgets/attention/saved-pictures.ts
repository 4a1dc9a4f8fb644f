/** Pictures of whole maps in a saved page, where they have a pixel for each query and key: those answer for every part. */

import type { Interval, MapQuestion, Picture } from "./source.ts";

type HeadQuestion = Omit<MapQuestion, "queries" | "keys">;

export class SavedPictures {
  #whole = new Map<string, Picture>();

  /** Keeps a picture if nothing is lost in it, which then is the same for means and maxima. */
  keep(question: HeadQuestion, picture: Picture, [n_queries, n_keys]: readonly [number, number]): void {
    if (picture.rows === n_queries && picture.columns === n_keys) this.#whole.set(nameOf(question), picture);
  }

  /** The rectangle as a picture of its own, where a pixel is asked for each of its weights. */
  cut(question: HeadQuestion & { queries: Interval; keys: Interval; size: number }): Picture | null {
    const whole = this.#whole.get(nameOf(question));
    const { queries, keys, size } = question;
    const [rows, columns] = [queries[1] - queries[0], keys[1] - keys[0]];
    if (whole === undefined || rows > size || columns > size) return null;
    const pixels = new Uint8Array(rows * columns);
    for (let row = 0; row < rows; row += 1) {
      const start = (queries[0] + row) * whole.columns + keys[0];
      pixels.set(whole.pixels.subarray(start, start + columns), row * columns);
    }
    return { rows, columns, peak: whole.peak, pixels };
  }
}

function nameOf({ which, part, layer, head, hide_sink }: HeadQuestion): string {
  return JSON.stringify([which, part, layer, head, hide_sink]);
}
