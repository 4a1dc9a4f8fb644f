/** Turns the panel's answers, as they come over the wire or out of a saved page, into the views' numbers. */

import { bytes, floats } from "../../lib/buffers.ts";
import type { Ablated, Lens, Progress } from "../../protocol.ts";
import type { LayerOverview, Matrix, Opened, Options, Picture, Source, Steps, Table } from "./source.ts";

export interface Answer {
  result: Record<string, unknown>;
  buffers: readonly DataView[];
}

/** Asks one question; parts come before the answer. */
export type Ask = (
  method: string,
  params: Record<string, unknown>,
  onPart: (part: Answer) => void,
  signal: AbortSignal,
) => Promise<Answer>;

const nothing = (): void => undefined;

/** Everything but `start` and `onAgain`, which only a living panel has. */
export function sourceFrom(ask: Ask): Source {
  const once = (method: string, params: object, { signal }: Options): Promise<Answer> =>
    ask(method, { ...params }, nothing, signal);
  return {
    async open(options) {
      return (await once("open", {}, options)).result as unknown as Opened;
    },
    async overview(question, onLayer, { signal }) {
      await ask("overview", question, (part) => onLayer(layerOverview(part)), signal);
    },
    async tile(question, options) {
      return picture(await once("tile", question, options));
    },
    async exact(question, options) {
      return matrix(await once("exact", question, options));
    },
    async rows({ heads, ...question }, options) {
      return matrix(await once("rows", { ...question, heads: heads.map(pair) }, options));
    },
    async columns({ heads, ...question }, options) {
      return matrix(await once("columns", { ...question, heads: heads.map(pair) }, options));
    },
    async scores(question, onProgress, { signal }) {
      return table(await ask("scores", question, progressTo(onProgress), signal));
    },
    async steps(question, onProgress, { signal }) {
      return steps(await ask("steps", question, progressTo(onProgress), signal));
    },
    async lens(question, options) {
      return (await once("lens", question, options)).result as unknown as Lens;
    },
    async ablate(question, options) {
      return (await once("ablate", question, options)).result as unknown as Ablated;
    },
    async diff(question, onProgress, { signal }) {
      return table(await ask("diff", question, progressTo(onProgress), signal));
    },
  };
}

function pair({ layer, head }: { layer: number; head: number }): [number, number] {
  return [layer, head];
}

function progressTo(onProgress: (done: number, total: number) => void): (part: Answer) => void {
  return ({ result }) => onProgress(Number(result.done ?? 0), Number(result.total ?? 0));
}

export function progressOf({ result }: Answer): Progress {
  return result as unknown as Progress;
}

function table({ result }: Answer): Table {
  return result.values as Table;
}

/** (head, row, column) bytes, with a peak for each head. */
export function layerOverview({ result, buffers }: Answer): LayerOverview {
  const [heads = 0, rows = 0, columns = 0] = result.shape as number[];
  const peaks = result.peaks as number[];
  const pixels = bytes(bufferOf(buffers, 0));
  const size = rows * columns;
  return {
    layer: Number(result.layer),
    heads: Array.from({ length: heads }, (_, head) => ({
      rows,
      columns,
      peak: peaks[head] ?? 0,
      pixels: pixels.subarray(head * size, (head + 1) * size),
    })),
  };
}

function picture({ result, buffers }: Answer): Picture {
  const [rows = 0, columns = 0] = result.shape as number[];
  return { rows, columns, peak: Number(result.peak), pixels: bytes(bufferOf(buffers, 0)) };
}

function matrix({ result, buffers }: Answer): Matrix {
  const [rows = 0, columns = 0] = result.shape as number[];
  return { rows, columns, values: floats(bufferOf(buffers, 0)) };
}

/** The buffers are query, keys, raw scores, weights, values and output, in this order. */
function steps({ result, buffers }: Answer): Steps {
  const [query, keys, raw_scores, weights, values, output] = [0, 1, 2, 3, 4, 5].map((index) => floats(bufferOf(buffers, index)));
  return {
    scaling: result.scaling as number | null,
    query: query!,
    keys: rowsOf(weights!.length, keys!),
    raw_scores: raw_scores!,
    weights: weights!,
    values: rowsOf(weights!.length, values!),
    output: output!,
  };
}

function rowsOf(rows: number, values: Float32Array): Matrix {
  return { rows, columns: rows === 0 ? 0 : values.length / rows, values };
}

function bufferOf(buffers: readonly DataView[], index: number): DataView {
  const buffer = buffers[index];
  if (buffer === undefined) throw new Error("the panel's answer came without its numbers: reload the page");
  return buffer;
}
