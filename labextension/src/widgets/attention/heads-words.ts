/** Heads in words, for the line below them and for a screen reader. */

import { grouped, short } from "../../lib/numbers.ts";
import type { AttentionPart } from "../../protocol.ts";
import type { Scores } from "./heads-scores.ts";
import type { Head, State } from "./state.ts";

/** Which head it is, its score, and how it is marked. */
export function headInWords({ layer, head }: Head, part: AttentionPart, state: Readonly<State>, scores: Scores): string {
  const count = part.heads[layer] ?? 0;
  const shared = part.key_heads[layer] ?? count;
  const score = scores.state === "there" ? scores.values[layer]?.[head] : null;
  const told = [`layer ${layer} head ${head}`];
  if (score !== null && score !== undefined) told.push(`${state.score} ${short(score, 3)}`);
  if (shared > 0 && shared < count) told.push(`key head ${Math.floor(head / Math.floor(count / shared))}`);
  if (state.pinned?.layer === layer && state.pinned.head === head && state.pinned.which !== 1) told.push("pinned");
  if (state.ablated.some(([l, h]) => l === layer && h === head)) told.push("switched off");
  return told.join(" · ");
}

/** What is still to come; "" when nothing is. */
export function statusInWords(scores: Scores, layers: { done: number; total: number } | null, stopped: boolean): string {
  const told: string[] = [];
  if (scores.state === "waiting") told.push(scores.total > 0 ? `scoring ${grouped(scores.done)} of ${grouped(scores.total)}` : "scoring");
  if (scores.state === "none") told.push(scores.because);
  if (layers) told.push(`maps: ${layers.done} of ${layers.total} layers`);
  else if (stopped) told.push("stopped");
  return told.join(" · ");
}
