/** Where a panel's numbers come from: `PanelSource` asks the notebook kernel, `SavedSource` a page that was saved. */

import type { Ablated, AttentionInfo, Lens, Part, Progress, Reduction, ScoreKind } from "../../protocol.ts";
import type { Head } from "./state.ts";

/** Which attention: 0 the panel's own, 1 the one that it is compared with. */
export type Which = 0 | 1;

/** A half-open interval of positions. */
export type Interval = readonly [start: number, stop: number];

/** A uint8 picture, row by row: `round(255 * value / peak)`. */
export interface Picture {
  rows: number;
  columns: number;
  peak: number;
  pixels: Uint8Array;
}

/** Float32 numbers, row by row. */
export interface Matrix {
  rows: number;
  columns: number;
  values: Float32Array;
}

export interface Opened {
  info: AttentionInfo;
  other: AttentionInfo | null;
  /** The head to begin with, which the panel found interesting. */
  chosen: Head;
  /** The dozen that it found most interesting. */
  worth?: Head[];
  /** The position of the first token that the model wrote, where a generation is shown. */
  generated?: number | null;
}

export interface LayerOverview {
  layer: number;
  /** A picture for each head of the layer. */
  heads: Picture[];
}

export interface MapQuestion {
  which: Which;
  part: Part;
  layer: number;
  head: number;
  queries: Interval;
  keys: Interval;
  hide_sink: boolean;
}

/** What one head does with one query, step by step. */
export interface Steps {
  scaling: number | null;
  /** (dimension) */
  query: Float32Array;
  /** (key, dimension) */
  keys: Matrix;
  /** What goes into the softmax (key); -Infinity where the mask forbids. */
  raw_scores: Float32Array;
  /** (key) */
  weights: Float32Array;
  /** (key, value dimension) */
  values: Matrix;
  /** What attention gave (value dimension). */
  output: Float32Array;
}

/** (layer, head); null where there is no such head. */
export type Table = (number | null)[][];

export interface Options {
  signal: AbortSignal;
  /** Whether this comes first: what a shared source is asked meanwhile may wait. */
  first?: boolean;
}

export interface Source {
  open(options: Options): Promise<Opened>;
  /** Calls back for each layer as it comes. */
  overview(
    question: { which: Which; part: Part; layers: number[] | null; size: number; hide_sink: boolean },
    onLayer: (layer: LayerOverview) => void,
    options: Options,
  ): Promise<void>;
  tile(question: MapQuestion & { size: number; reduction: Reduction }, options: Options): Promise<Picture>;
  exact(question: MapQuestion, options: Options): Promise<Matrix>;
  /** What one token attends to in several heads: (head, key). */
  rows(question: { which: Which; part: Part; heads: Head[]; query: number }, options: Options): Promise<Matrix>;
  /** What attends to one token in several heads: (head, query). */
  columns(question: { which: Which; part: Part; heads: Head[]; key: number }, options: Options): Promise<Matrix>;
  scores(
    question: { which: Which; part: Part; kind: ScoreKind; queries: number[]; keys: number[] },
    onProgress: (done: number, total: number) => void,
    options: Options,
  ): Promise<Table>;
  /** Calls back when the text has to be read once more; how many of its tokens have been. */
  steps(
    question: { which: Which; part: Part; layer: number; head: number; query: number },
    onProgress: (done: number, total: number) => void,
    options: Options,
  ): Promise<Steps>;
  lens(question: { position: number; k: number }, options: Options): Promise<Lens>;
  ablate(question: { heads: [number, number][]; position: number; k: number }, options: Options): Promise<Ablated>;
  diff(question: { part: Part }, onProgress: (done: number, total: number) => void, options: Options): Promise<Table>;
  /** Starts a model kernel, and makes an attention that was let go of again; a saved page has nothing to start. */
  start?(onProgress: (progress: Progress) => void, options: Options): Promise<void>;
  /** Calls back when an attention had been let go of and was made again; returns what ends that. */
  onAgain?(callback: () => void): () => void;
}
