/** A source without a model: plausible maps of any size, made of formulas. */

import type { AttentionInfo, Token } from "../src/protocol.ts";
import type { Head } from "../src/widgets/attention/state.ts";
import type { LayerOverview, MapQuestion, Matrix, Opened, Options, Picture, Source, Steps, Table } from "../src/widgets/attention/source.ts";

export interface Shape {
  tokens: number;
  layers: number;
  heads: number;
  keyHeads: number;
  /** Milliseconds that an answer takes. */
  delay: number;
}

const WORDS = "Once| upon| a| time| there| was| a| little| fox| named| Pip|.| Pip| wanted| to| find| the| river|,| so| he| asked| the| old| owl|.|\n|“|Where| is| it|?|”| said| Pip|.| مرحبا| 日本|\t|!".split("|");

/** Samples along a side of a block; more would be more exact, and slower than what is tried out here. */
const SAMPLES = 3;

export class FakeSource implements Source {
  readonly tokens: Token[];

  constructor(readonly shape: Shape) {
    this.tokens = Array.from({ length: shape.tokens }, (_, i) => token(i));
  }

  async open(): Promise<Opened> {
    const { layers, heads, keyHeads, tokens } = this.shape;
    const each = <Value>(value: Value) => Array.from({ length: layers }, () => value);
    const part = { name: "decoder" as const, heads: each(heads), key_heads: each(keyHeads), scaling: each(0.125), n_queries: tokens, n_keys: tokens };
    const info: AttentionInfo = { id: "fake", model: "fake", fingerprint: "", tokens: this.tokens, target_tokens: [], n_layers: layers, n_heads: heads, parts: [part], causal: true, bytes: 0 };
    return { info, other: null, chosen: { layer: Math.min(3, layers - 1), head: Math.min(2, heads - 1) } };
  }

  async overview(question: { layers: number[] | null; size: number; hide_sink: boolean }, onLayer: (layer: LayerOverview) => void, options: Options): Promise<void> {
    for (const layer of question.layers ?? this.#layers()) {
      await this.#wait(options);
      const whole: [number, number] = [0, this.shape.tokens];
      const heads = Array.from({ length: this.shape.heads }, (_, head) => this.#picture({ layer, head }, whole, whole, question.size, question.hide_sink, "mean"));
      onLayer({ layer, heads });
    }
  }

  async tile(question: MapQuestion & { size: number; reduction: "mean" | "max" }, options: Options): Promise<Picture> {
    await this.#wait(options);
    return this.#picture(question, question.queries, question.keys, question.size, question.hide_sink, question.reduction);
  }

  async exact({ queries, keys, hide_sink, ...head }: MapQuestion, options: Options): Promise<Matrix> {
    await this.#wait(options);
    const [rows, columns] = [queries[1] - queries[0], keys[1] - keys[0]];
    const values = new Float32Array(rows * columns);
    for (let i = 0; i < values.length; i++) values[i] = this.weight(head, queries[0] + Math.floor(i / columns), keys[0] + (i % columns), hide_sink);
    return { rows, columns, values };
  }

  async rows({ heads, query }: { heads: Head[]; query: number }, options: Options): Promise<Matrix> {
    await this.#wait(options);
    return this.#several(heads, (head, key) => this.weight(head, query, key, false));
  }

  async columns({ heads, key }: { heads: Head[]; key: number }, options: Options): Promise<Matrix> {
    await this.#wait(options);
    return this.#several(heads, (head, query) => this.weight(head, query, key, false));
  }

  async scores(question: { kind: string }, onProgress: (done: number, total: number) => void, options: Options): Promise<Table> {
    for (const layer of this.#layers()) {
      await this.#wait(options);
      onProgress(layer + 1, this.shape.layers);
    }
    const kind = question.kind.length;
    return this.#layers().map((layer) => Array.from({ length: this.shape.heads }, (_, head) => noise(layer, head, kind) ** 4 * (1 - 0.5 * noise(head, kind, layer))));
  }

  async steps(): Promise<Steps> {
    throw new Error("the playground takes no head apart");
  }

  async lens(): Promise<never> {
    throw new Error("the playground has no model");
  }

  async ablate(): Promise<never> {
    throw new Error("the playground has no model");
  }

  async diff(): Promise<never> {
    throw new Error("the playground has no other attention");
  }

  /** A mixture of a sink, the token before, the neighbourhood, what followed the same word, and some tokens at large. */
  weight(head: Head, query: number, key: number, hideSink: boolean): number {
    if (key > query) return 0;
    const mix = shares(head);
    const sink = query === 0 ? 1 : mix.sink;
    if (key === 0) return hideSink ? 0 : sink;
    const reach = 2 + 60 * noise(head.layer, head.head, 7) ** 3;
    const near = (mix.near * Math.exp(-(query - key) / reach)) / reach;
    const before = key === query - 1 ? mix.before : 0;
    const same = (query - key) % WORDS.length === WORDS.length - 1 ? (mix.same * WORDS.length) / (query + WORDS.length) : 0;
    const wide = (mix.wide * 5 * noise(key, head.head, head.layer) ** 4) / (query + 1);
    const found = near + before + same + wide;
    return Math.min(1, hideSink ? found / Math.max(1e-6, 1 - sink) : found);
  }

  #layers(): number[] {
    return Array.from({ length: this.shape.layers }, (_, layer) => layer);
  }

  #several(heads: Head[], weight: (head: Head, position: number) => number): Matrix {
    const { tokens } = this.shape;
    return { rows: heads.length, columns: tokens, values: Float32Array.from({ length: heads.length * tokens }, (_, i) => weight(heads[Math.floor(i / tokens)] as Head, i % tokens)) };
  }

  #picture(head: Head, queries: readonly [number, number], keys: readonly [number, number], size: number, hideSink: boolean, reduction: "mean" | "max"): Picture {
    const [rows, columns] = [queries, keys].map(([start, stop]) => Math.min(size, stop - start)) as [number, number];
    const values = new Float32Array(rows * columns);
    const edge = (at: number, count: number, [start, stop]: readonly [number, number]) => start + Math.floor((at * (stop - start)) / count);
    const inside = (from: number, to: number) => (to - from <= SAMPLES ? range(from, to) : [from, from + 1, to - 1]);
    let peak = 0;
    for (let row = 0; row < rows; row++) {
      const sampledQueries = inside(edge(row, rows, queries), edge(row + 1, rows, queries));
      for (let column = 0; column < columns; column++) {
        const sampledKeys = inside(edge(column, columns, keys), edge(column + 1, columns, keys));
        let [most, sum] = [0, 0];
        for (const query of sampledQueries) {
          for (const key of sampledKeys) {
            const weight = this.weight(head, query, key, hideSink);
            most = Math.max(most, weight);
            sum += weight;
          }
        }
        const value = reduction === "max" ? most : sum / (sampledQueries.length * sampledKeys.length);
        values[row * columns + column] = value;
        peak = Math.max(peak, value);
      }
    }
    return { rows, columns, peak, pixels: Uint8Array.from(values, (value) => (peak > 0 ? Math.round((255 * value) / peak) : 0)) };
  }

  #wait({ signal }: Options): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, this.shape.delay);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
  }
}

function shares({ layer, head }: Head): Record<"sink" | "near" | "before" | "same" | "wide", number> {
  const drawn = [1, 2, 3, 4, 5].map((kind) => noise(layer, head, kind) ** 6 + 0.002);
  const sum = drawn.reduce((a, b) => a + b);
  const [sink, near, before, same, wide] = drawn.map((share) => share / sum) as [number, number, number, number, number];
  return { sink, near, before, same, wide };
}

/** A number from 0 to 1 that only looks random. */
function noise(a: number, b: number, c: number): number {
  let h = (a * 374761393 + b * 668265263 + c * 2246822519) | 0;
  h = Math.imul(h ^ (h >>> 13), 1274126177);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function token(index: number): Token {
  const plain = { id: index, logprob: null, top_logprobs: [], bytes: [], special: false };
  if (index === 0) return { ...plain, text: "<|endoftext|>", special: true };
  // Now and then a character of several tokens.
  if (index % 61 === 40) return { ...plain, text: "", bytes: [0xf0, 0x9f] };
  if (index % 61 === 41) return { ...plain, text: "🦊", bytes: [0xa6, 0x8a] };
  return { ...plain, text: WORDS[(index - 1) % WORDS.length] as string };
}
