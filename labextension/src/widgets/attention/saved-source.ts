/**
 * The numbers of a saved page: what was asked while somebody looked, and what follows from it.
 *
 * A map that was recorded also answers for its rows, its columns and every rectangle of it, so that a lesson can be played
 * with where its author has been.
 */

import { decoded, keyOf, NOT_SAVED, NotSaved, type Recorded } from "../../lib/recorded.ts";
import type { Part } from "../../protocol.ts";
import { type Answer, layerOverview, sourceFrom } from "./answers.ts";
import { SavedPictures } from "./saved-pictures.ts";
import type { Interval, MapQuestion, Matrix, Opened, Picture, Source } from "./source.ts";

export function savedSource(records: readonly Recorded[]): Source {
  const found = new Map(records.map((record) => [keyOf(record.method, record.params), record]));
  const rectangles = new Rectangles(records);
  const opened = found.get(keyOf("open", {}))?.answer as unknown as Opened | undefined;
  const source = sourceFrom(async (method, params, onPart, signal) => {
    signal.throwIfAborted();
    const record = found.get(keyOf(method, params));
    if (record === undefined) throw new NotSaved(NOT_SAVED);
    for (const part of record.parts) onPart({ result: part.result, buffers: part.buffers.map(decoded) });
    return { result: record.answer, buffers: record.buffers.map(decoded) } satisfies Answer;
  });
  /** How many queries and keys a part has. */
  const sizes = (part: Part): [n_queries: number, n_keys: number] => {
    const { n_queries = 0, n_keys = 0 } = opened?.info.parts.find(({ name }) => name === part) ?? {};
    return [n_queries, n_keys];
  };
  const pictures = picturesIn(records);
  return {
    ...source,
    /** Whatever their size is: those that a page has were made for all views of them. */
    async overview(question, onLayer, { signal }) {
      signal.throwIfAborted();
      const { heads } = opened?.info.parts.find(({ name }) => name === question.part) ?? { heads: [] };
      const found = (question.layers ?? [...heads.keys()]).map((layer) => pictures.layer(question, layer));
      for (const each of found) if (each !== null) onLayer(each);
      if (found.includes(null)) throw new NotSaved(NOT_SAVED);
    },
    async exact(question, options) {
      return rectangles.cut(question) ?? (await source.exact(question, options));
    },
    async rows(question, options) {
      const { query, part } = question;
      const whole = { ...question, queries: [query, query + 1], keys: [0, sizes(part)[1]], hide_sink: false } as const;
      return stacked(question.heads.map((head) => rectangles.cut({ ...whole, ...head }))) ?? (await source.rows(question, options));
    },
    async columns(question, options) {
      const { key, part } = question;
      const whole = { ...question, queries: [0, sizes(part)[0]], keys: [key, key + 1], hide_sink: false } as const;
      return stacked(question.heads.map((head) => rectangles.cut({ ...whole, ...head }))) ?? (await source.columns(question, options));
    },
    async tile(question, options) {
      if (found.has(keyOf("tile", { ...question }))) return source.tile(question, options);
      const exact = rectangles.cut(question);
      if (exact !== null) return reduced(exact, question.size, question.reduction);
      return pictures.cut(question, sizes(question.part)) ?? (await source.tile(question, options));
    },
  };
}

/** Those of all heads that were drawn in a grid. */
function picturesIn(records: readonly Recorded[]): SavedPictures {
  const pictures = new SavedPictures();
  for (const { params, parts } of records.filter(({ method }) => method === "overview")) {
    const asked = params as unknown as Pick<MapQuestion, "which" | "part" | "hide_sink">;
    for (const each of parts) pictures.keep(asked, layerOverview({ result: each.result, buffers: each.buffers.map(decoded) }));
  }
  return pictures;
}

interface Recording {
  record: Recorded;
  queries: Interval;
  keys: Interval;
  /** Decoded when it is first looked at. */
  values: Float32Array | null;
}

/** The rectangles of maps that were recorded. */
class Rectangles {
  #recordings = new Map<string, Recording[]>();

  constructor(records: readonly Recorded[]) {
    for (const record of records.filter(({ method }) => method === "exact")) {
      const question = record.params as unknown as MapQuestion;
      const known = this.#recordings.get(headKey(question)) ?? [];
      known.push({ record, queries: question.queries, keys: question.keys, values: null });
      this.#recordings.set(headKey(question), known);
    }
  }

  /** The rectangle, where one of those recorded holds it. */
  cut(question: MapQuestion): Matrix | null {
    const { queries, keys } = question;
    const whole = this.#recordings.get(headKey(question))?.find((each) => holds(each.queries, queries) && holds(each.keys, keys));
    if (whole === undefined) return null;
    whole.values ??= new Float32Array(decoded(whole.record.buffers[0] ?? "").buffer);
    const across = whole.keys[1] - whole.keys[0];
    const [rows, columns] = [queries[1] - queries[0], keys[1] - keys[0]];
    const values = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row += 1) {
      const start = (queries[0] - whole.queries[0] + row) * across + keys[0] - whole.keys[0];
      values.set(whole.values.subarray(start, start + columns), row * columns);
    }
    return { rows, columns, values };
  }
}

function holds([start, stop]: Interval, [first, last]: Interval): boolean {
  return start <= first && last <= stop;
}

function headKey({ which, part, layer, head, hide_sink }: Omit<MapQuestion, "queries" | "keys">): string {
  return JSON.stringify([which, part, layer, head, hide_sink]);
}

function stacked(lines: (Matrix | null)[]): Matrix | null {
  const known = lines.filter((line) => line !== null);
  const columns = known[0]?.values.length ?? 0;
  if (known.length < lines.length || columns === 0) return null;
  const values = new Float32Array(known.length * columns);
  known.forEach((line, index) => values.set(line.values, index * columns));
  return { rows: known.length, columns, values };
}

/** Blocks of a matrix as one number each; block i of m over n spans from `floor(i * n / m)`. */
function reduced(exact: Matrix, size: number, reduction: "mean" | "max"): Picture {
  const rows = Math.min(size, exact.rows);
  const columns = Math.min(size, exact.columns);
  const sums = new Float64Array(rows * columns);
  const edges = (count: number, blocks: number): number[] =>
    Array.from({ length: blocks + 1 }, (_, block) => Math.floor((block * count) / blocks));
  const down = edges(exact.rows, rows);
  const across = edges(exact.columns, columns);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      sums[row * columns + column] = block(exact, reduction, [down[row]!, down[row + 1]!], [across[column]!, across[column + 1]!]);
    }
  }
  const peak = sums.reduce((most, value) => Math.max(most, value), 0);
  const pixels = Uint8Array.from(sums, (value) => (peak === 0 ? 0 : Math.round((255 * value) / peak)));
  return { rows, columns, peak, pixels };
}

function block({ columns, values }: Matrix, reduction: "mean" | "max", queries: Interval, keys: Interval): number {
  let total = 0;
  for (let row = queries[0]; row < queries[1]; row += 1) {
    for (let column = keys[0]; column < keys[1]; column += 1) {
      const value = values[row * columns + column]!;
      total = reduction === "max" ? Math.max(total, value) : total + value;
    }
  }
  return reduction === "max" ? total : total / ((queries[1] - queries[0]) * (keys[1] - keys[0]));
}
