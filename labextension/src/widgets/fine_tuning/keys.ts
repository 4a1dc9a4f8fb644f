/** The panel's keys: one list, which the keyboard follows and the help shows. */

import type { Explained, Key } from "../../lib/keys.ts";
import type { State } from "./state.ts";

export interface Actions {
  tab(name: State["tab"]): void;
  pause(): void;
  stop(): void;
  change(): void;
  cancel(): void;
  use(): void;
  smooth(): void;
  log(): void;
  axis(): void;
  all(): void;
  probe(by: 1 | -1): void;
  diff(): void;
  try(): void;
  projector(): void;
  help(): void;
  back(): void;
}

export const KEYS: readonly Key<Actions>[] = [
  { keys: ["1"], shown: "1", does: "curves", run: (actions) => actions.tab("curves") },
  { keys: ["2"], shown: "2", does: "probes", run: (actions) => actions.tab("probes") },
  { keys: ["3"], shown: "3", does: "checkpoints", run: (actions) => actions.tab("checkpoints") },
  { keys: ["4"], shown: "4", does: "log", run: (actions) => actions.tab("log") },
  { keys: ["p"], shown: "p", does: "pause or resume", run: (actions) => actions.pause() },
  { keys: ["k"], shown: "k", does: "stop and keep what it has learnt", run: (actions) => actions.stop() },
  { keys: ["c"], shown: "c", does: "change the learning rate or the steps", run: (actions) => actions.change() },
  { keys: ["x"], shown: "x", does: "cancel; asks first", run: (actions) => actions.cancel() },
  { keys: ["r"], shown: "r", does: "try a checkpoint", run: (actions) => actions.try() },
  { keys: ["y"], shown: "y", does: "copy the line that uses what was made", run: (actions) => actions.use() },
  {
    keys: ["ArrowLeft", "ArrowRight"],
    shown: "← →",
    does: "probes of an earlier or later step",
    run: (actions, key) => actions.probe(key === "ArrowLeft" ? -1 : 1),
  },
  { keys: ["d"], shown: "d", does: "what changed in the probes since the first step", run: (actions) => actions.diff() },
  { keys: ["s"], shown: "s", does: "smooth the training loss more, or not", run: (actions) => actions.smooth() },
  { keys: ["l"], shown: "l", does: "linear or logarithmic loss", run: (actions) => actions.log() },
  { keys: ["t"], shown: "t", does: "by step or by time", run: (actions) => actions.axis() },
  { keys: ["0"], shown: "0", does: "show all steps", run: (actions) => actions.all() },
  { keys: ["P"], shown: "P", does: "for a projector", run: (actions) => actions.projector() },
  { keys: ["?"], shown: "?", does: "this list", run: (actions) => actions.help() },
  { keys: ["Escape"], shown: "Esc", does: "back", run: (actions) => actions.back() },
];

/** Keys that a part has while it has the focus. */
export const WITHIN: readonly Explained[] = [
  { shown: "curves: ← → Home End", does: "the crosshair, with Shift ten steps at once" },
  { shown: "curves: + −", does: "zoom around the crosshair; a drag selects, a double click shows all" },
  { shown: "prompt: Ctrl+Enter", does: "try it" },
  { shown: "form: Ctrl+Enter", does: "start" },
];
