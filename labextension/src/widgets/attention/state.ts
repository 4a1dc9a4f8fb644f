/** What an attention panel shows: the small state that lives in the widget's `state` trait. */

import type { Part, ScoreKind } from "../../protocol.ts";

/** A head: layer and head, both counted from 0. */
export interface Head {
  layer: number;
  head: number;
}

/** A head shown beside the first; of the other attention, where two are compared. */
export interface Pinned extends Head {
  which?: 0 | 1;
}

export interface State {
  part: Part;
  layer: number;
  head: number;
  /** A second head, shown beside the first. */
  pinned: Pinned | null;
  /** The chosen token that attends; null: none is chosen. */
  query: number | null;
  /** The chosen token that is attended to. */
  key: number | null;
  /** Whether the strip shows what the chosen token attends to, or what attends to it. */
  direction: "to" | "by";
  view: "matrix" | "lines" | "steps";
  side: "" | "lens" | "ablate" | "diff";
  score: ScoreKind;
  /** For the score "from-to": the texts that attend and are attended to. */
  from: string;
  to: string;
  /** Whether the whole grid of heads is shown, not only those that matter most. */
  all_heads: boolean;
  hide_sink: boolean;
  /** Whether the colour scale is logarithmic. */
  log: boolean;
  /** Heads that are switched off, as [layer, head]. */
  ablated: [number, number][];
  /** Heads whose lines stay while others are chosen, as [layer, head]. */
  kept: [number, number][];
  /** Whether lines are of the mean of all heads of the layer. */
  layer_mean: boolean;
  /** Whether the text is shaded instead of having lines drawn in it. */
  shading: boolean;
}

export const INITIAL: State = {
  part: "decoder",
  layer: 0,
  head: 0,
  pinned: null,
  query: null,
  key: null,
  direction: "to",
  view: "matrix",
  side: "",
  score: "previous-token",
  from: "",
  to: "",
  all_heads: false,
  hide_sink: true,
  log: false,
  ablated: [],
  kept: [],
  layer_mean: false,
  shading: false,
};
