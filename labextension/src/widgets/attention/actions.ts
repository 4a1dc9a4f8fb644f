/** What the keys change in the state; the shell adds what is its own. */

import type { Store } from "../../lib/store.ts";
import { SCORE_KINDS, type ScoreKind } from "../../protocol.ts";
import { toggled } from "./ablate.ts";
import { chosenOf, partOf, sidesOf, turned } from "./chosen.ts";
import type { Actions } from "./keys.ts";
import type { Opened } from "./source.ts";
import type { State } from "./state.ts";

type OfState = Omit<Actions, "find" | "copy" | "save" | "projector" | "help" | "back">;

/** Scores that compare positions of one text, of which cross attention has none. */
const OF_ONE_TEXT: readonly ScoreKind[] = ["previous-token", "induction", "distance"];

export function stateActions(store: Store<State>, { info, other }: Opened): OfState {
  const part = () => partOf(info, store.get().part);
  const side = (name: "lens" | "ablate" | "diff"): void => {
    if (name !== "diff" || other !== null) store.set({ side: store.get().side === name ? "" : name });
  };
  return {
    side,
    view: (view) => store.set({ view }),
    head(by) {
      const { layer, head } = store.get();
      store.set({ head: within(head + by, part().heads[layer] ?? 1) });
    },
    layer(by) {
      const { heads } = part();
      // Layers without attention are stepped over.
      let layer = store.get().layer + by;
      while (heads[layer] === 0) layer += by;
      const count = heads[layer];
      if (count !== undefined) store.set({ layer, head: within(store.get().head, count) });
    },
    token(by) {
      const { direction } = store.get();
      const { tokens, position } = chosenOf(store.get(), sidesOf(info, store.get().part));
      const next = within(position + by, tokens.length);
      store.set(direction === "to" ? { query: next } : { key: next });
    },
    turn: () => store.set(turned(store.get(), sidesOf(info, store.get().part))),
    sink: () => store.set({ hide_sink: !store.get().hide_sink }),
    log: () => store.set({ log: !store.get().log }),
    all: () => store.set({ all_heads: !store.get().all_heads }),
    sort() {
      const kinds = SCORE_KINDS.filter((kind) => part().name !== "cross" || !OF_ONE_TEXT.includes(kind));
      store.set({ score: kinds[(kinds.indexOf(store.get().score) + 1) % kinds.length]! });
    },
    switchOff() {
      const { ablated, layer, head } = store.get();
      store.set({ ablated: toggled(ablated, { layer, head }), side: "ablate" });
    },
  };
}

/** One step back; false where there is nothing left to undo. */
export function stepBack(store: Store<State>): boolean {
  const { side, view, pinned, query, key } = store.get();
  if (side !== "") store.set({ side: "" });
  else if (view !== "matrix") store.set({ view: "matrix" });
  else if (pinned !== null) store.set({ pinned: null });
  else if (query !== null || key !== null) store.set({ query: null, key: null });
  else return false;
  return true;
}

/** The state with what is not there replaced: a layer, head, part or token of another model or text. */
export function fitting(state: State, { info, chosen }: Opened): Partial<State> {
  const part = partOf(info, state.part);
  const there = (layer: number, head: number): boolean => head >= 0 && head < (part.heads[layer] ?? 0);
  const changes: Partial<State> = { part: part.name };
  const first = { layer: Math.max(0, part.heads.findIndex((count) => count > 0)), head: 0 };
  const { layer, head } = there(chosen.layer, chosen.head) ? chosen : first;
  if (!there(state.layer, state.head)) Object.assign(changes, { layer, head });
  if (state.pinned !== null && !there(state.pinned.layer, state.pinned.head)) changes.pinned = null;
  if (state.query !== null && state.query >= part.n_queries) changes.query = null;
  if (state.key !== null && state.key >= part.n_keys) changes.key = null;
  if (part.name === "cross" && OF_ONE_TEXT.includes(state.score)) changes.score = "entropy";
  changes.ablated = state.ablated.filter(([l, h]) => there(l, h));
  changes.kept = state.kept.filter(([l, h]) => there(l, h));
  return changes;
}

function within(position: number, length: number): number {
  return Math.max(0, Math.min(length - 1, position));
}
