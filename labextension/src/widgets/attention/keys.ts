/** The panel's keys: one list, which the keyboard follows and the help shows. */

import type { Explained, Key } from "../../lib/keys.ts";

/** What the shell does; the views have the arrows, Enter and a few keys of their own. */
export interface Actions {
  view(name: "matrix" | "lines" | "steps"): void;
  side(name: "lens" | "ablate" | "diff"): void;
  head(by: 1 | -1): void;
  layer(by: 1 | -1): void;
  token(by: 1 | -1): void;
  turn(): void;
  sink(): void;
  log(): void;
  all(): void;
  sort(): void;
  switchOff(): void;
  find(): void;
  copy(): void;
  save(): void;
  projector(): void;
  help(): void;
  back(): void;
}

export const KEYS: readonly Key<Actions>[] = [
  { keys: ["1"], shown: "1", does: "the map", run: (actions) => actions.view("matrix") },
  { keys: ["2"], shown: "2", does: "lines in the text", run: (actions) => actions.view("lines") },
  { keys: ["3"], shown: "3", does: "the head's steps", run: (actions) => actions.view("steps") },
  { keys: ["4"], shown: "4", does: "lens: predictions after each layer", run: (actions) => actions.side("lens") },
  { keys: ["5"], shown: "5", does: "ablate: heads switched off", run: (actions) => actions.side("ablate") },
  { keys: ["6"], shown: "6", does: "diff: heads that moved", run: (actions) => actions.side("diff") },
  {
    keys: ["ArrowLeft", "ArrowRight"],
    shown: "← →",
    does: "another token",
    run: (actions, key) => actions.token(key === "ArrowLeft" ? -1 : 1),
  },
  { keys: [",", "."], shown: ", .", does: "another head of the layer", run: (actions, key) => actions.head(key === "," ? -1 : 1) },
  { keys: ["<", ">"], shown: "< >", does: "another layer", run: (actions, key) => actions.layer(key === "<" ? -1 : 1) },
  { keys: ["d"], shown: "d", does: "attends to, or attended by", run: (actions) => actions.turn() },
  { keys: ["s"], shown: "s", does: "hide or show the first token's weight", run: (actions) => actions.sink() },
  { keys: ["l"], shown: "l", does: "linear or logarithmic colours", run: (actions) => actions.log() },
  { keys: ["g"], shown: "g", does: "all heads, or those that matter", run: (actions) => actions.all() },
  { keys: ["r"], shown: "r", does: "rank heads by the next score", run: (actions) => actions.sort() },
  { keys: ["x"], shown: "x", does: "switch the head off or on", run: (actions) => actions.switchOff() },
  { keys: ["/"], shown: "/", does: "find in the text", run: (actions) => actions.find() },
  { keys: ["y"], shown: "y", does: "copy what is seen as code", run: (actions) => actions.copy() },
  { keys: ["w"], shown: "w", does: "save a picture", run: (actions) => actions.save() },
  { keys: ["P"], shown: "P", does: "for a projector", run: (actions) => actions.projector() },
  { keys: ["?"], shown: "?", does: "this list", run: (actions) => actions.help() },
  { keys: ["Escape"], shown: "Esc", does: "back", run: (actions) => actions.back() },
];

/** Keys that a view has while it has the focus. */
export const WITHIN: readonly Explained[] = [
  { shown: "map: arrows", does: "another cell, with Shift ten at once" },
  { shown: "map: + − 0", does: "zoom in, out, show all" },
  { shown: "heads: arrows Enter", does: "choose a head; Shift+Enter pins a second one" },
  { shown: "heads: o c", does: "order by score, colour by score" },
  { shown: "text: arrows Home End", does: "another token" },
  { shown: "text: Alt+click", does: "choose the other end" },
  { shown: "find: Enter", does: "the next, with Shift the one before" },
];
