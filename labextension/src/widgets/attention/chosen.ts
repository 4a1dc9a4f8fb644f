/** What is chosen: the tokens of a part, the chosen one of them, and what one head makes of it. */

import { visible } from "../../lib/text.ts";
import type { AttentionInfo, AttentionPart, Token } from "../../protocol.ts";
import type { Opened, Options, Source } from "./source.ts";
import type { Head, State } from "./state.ts";
import type { Context } from "./view.ts";

/** The tokens along a map's sides; the same list where a text attends to itself. */
export interface Sides {
  queries: readonly Token[];
  keys: readonly Token[];
}

export function partOf(info: AttentionInfo, name: State["part"]): AttentionPart {
  const part = info.parts.find((each) => each.name === name) ?? info.parts[0];
  if (part === undefined) throw new Error(`${visible(info.model)} has no attention`);
  return part;
}

export function sidesOf(info: AttentionInfo, name: State["part"]): Sides {
  const target = info.target_tokens.length > 0 ? info.target_tokens : info.tokens;
  if (name === "cross") return { queries: target, keys: info.tokens };
  const own = name === "encoder" ? info.tokens : target;
  return { queries: own, keys: own };
}

/** The token of which the views tell something: the chosen query or key, or the last one where none is chosen. */
export function chosenOf(state: State, { queries, keys }: Sides): { tokens: readonly Token[]; position: number } {
  const tokens = state.direction === "to" ? queries : keys;
  const wanted = (state.direction === "to" ? state.query : state.key) ?? tokens.length - 1;
  return { tokens, position: Math.max(0, Math.min(tokens.length - 1, wanted)) };
}

/** The chosen query, or the last one. */
export function queryOf(state: State, sides: Sides): number {
  return chosenOf({ ...state, direction: "to" }, sides).position;
}

/** The token that the model wrote whose making is looked at: the chosen row is that of the token before it. */
export function madeOf({ store, opened, made }: Pick<Context, "store" | "opened" | "made">): number | null {
  const state = store.get();
  const { token } = made.get();
  const shown = token !== null && state.direction === "to" && state.part === "decoder";
  return shown && queryOf(state, sidesOf(opened.info, state.part)) === token - 1 ? token : null;
}

/** The token whose successor lens and ablate are about. */
export function positionOf(state: State, info: AttentionInfo): number {
  const spoken = info.target_tokens.length > 0 ? info.target_tokens : info.tokens;
  const wanted = state.part === "encoder" ? null : state.direction === "by" && state.part === "decoder" ? state.key : state.query;
  return Math.max(0, Math.min(spoken.length - 1, wanted ?? spoken.length - 1));
}

/** The other direction, with the same token chosen where a text attends to itself. */
export function turned(state: State, sides: Sides): Partial<State> {
  const { position } = chosenOf(state, sides);
  const own = sides.queries === sides.keys;
  if (state.direction === "to") return { direction: "by", ...(own && { key: position }) };
  return { direction: "to", ...(own && { query: position }) };
}

/** The heads whose lines are drawn: the chosen one, one that is pinned beside it, and those that are kept. */
export function lineHeads({ layer, head, pinned, kept }: State): Head[] {
  const all = [{ layer, head }, ...(pinned === null || pinned.which === 1 ? [] : [pinned]), ...kept.map(([l, h]) => ({ layer: l, head: h }))];
  return all.filter((each, index) => all.findIndex((other) => headName(other) === headName(each)) === index);
}

export interface Weights {
  /** For each head (row) the weight of each token (column). */
  heads: Float32Array[];
  /** For each head, what the first key had before it was hidden; 0 where it is shown, null where several rows differ. */
  sink: (number | null)[];
}

/** What the chosen token attends to (over keys), or what attends to it (over queries), the sink hidden where it is wished. */
export async function weightsOf(source: Source, state: State, sides: Sides, heads: Head[], options: Options): Promise<Weights> {
  const { position } = chosenOf(state, sides);
  const question = { which: 0, part: state.part, heads } as const;
  if (state.direction === "to") {
    const { rows, columns, values } = await source.rows({ ...question, query: position }, options);
    const found = Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
    const sink = found.map((row) => (state.hide_sink ? withoutSink(row) : 0));
    return { heads: found, sink };
  }
  if (!state.hide_sink) {
    const { rows, columns, values } = await source.columns({ ...question, key: position }, options);
    return {
      heads: Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns)),
      sink: heads.map(() => 0),
    };
  }
  // Each query's row is divided by what is left of it, which only a map with its whole rows knows.
  const whole = { which: 0, part: state.part, hide_sink: true, queries: [0, sides.queries.length] } as const;
  const columns = await Promise.all(
    heads.map((head) => source.exact({ ...whole, ...head, keys: [position, position + 1] }, options)),
  );
  return { heads: columns.map(({ values }) => values), sink: heads.map(() => null) };
}

/** Takes the first key out of a row and scales the others to sum to what they are of the rest; gives what it had. */
function withoutSink(row: Float32Array): number {
  const sink = row[0] ?? 0;
  row[0] = 0;
  const left = row.reduce((sum, weight) => sum + weight, 0);
  if (left > 0) row.forEach((weight, index) => (row[index] = weight / left));
  return sink;
}

/** Positions of the largest weights, largest first, those that are nothing left out. */
export function largest(weights: Float32Array, count: number): number[] {
  const found: number[] = [];
  weights.forEach((weight, index) => {
    if (weight <= 0 || (found.length === count && weight <= weights[found[count - 1]!]!)) return;
    const place = found.findIndex((other) => weights[other]! < weight);
    found.splice(place < 0 ? found.length : place, 0, index);
    if (found.length > count) found.pop();
  });
  return found;
}

/** A model's name; the folder's where it is a path on this computer. */
export function modelName({ model }: AttentionInfo): string {
  const local = /^([/~\\]|[A-Za-z]:[/\\])/.test(model);
  return visible(local ? (model.split(/[/\\]/).filter(Boolean).at(-1) ?? model) : model);
}

/** What the panel's attention is compared with: by its model, or as the other text of the same one. */
export function otherName({ info, other }: Opened): string {
  if (other === null || (other.model === info.model && other.fingerprint === info.fingerprint)) return "the other text";
  const name = modelName(other);
  return name === modelName(info) ? `the other ${name}` : name;
}

export function headName({ layer, head }: Head): string {
  return `L${layer} H${head}`;
}
