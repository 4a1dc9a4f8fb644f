/** What is seen, as NumPy code to copy; `a` is the attention. */

import type { Sides } from "./chosen.ts";
import { chosenOf } from "./chosen.ts";
import type { State } from "./state.ts";

/** The code of a state; `parts` is how many parts the model has: with one there is nothing to name. */
export function codeOf(state: State, sides: Sides, parts: number): string {
  const side = state.side === "" ? [] : sideCode(state, sides, parts);
  return [...viewCode(state, sides, parts), ...side].join("\n");
}

function viewCode(state: State, sides: Sides, parts: number): string[] {
  const { layer, head, pinned } = state;
  const part = partArgument(state, parts);
  const { position } = chosenOf({ ...state, direction: "to" }, sides);
  if (state.view === "steps") {
    return [
      `query = a.query(${layer}, ${head}${part})[${position}]  # (dimension)`,
      `keys = a.key(${layer}, ${head}${part})  # (key, dimension)`,
      `products = keys @ query * a.scaling(${layer}${part})  # (key)`,
      `scores = a.raw_scores(${layer}, ${head}, queries=${position}${part})[0]  # the same, masked`,
      `weights = a.map(${layer}, ${head}, queries=${position}${part})[0]`,
      `output = weights @ a.value(${layer}, ${head}${part})  # a.output(${layer}, ${head}${part})[${position}]`,
    ];
  }
  if (state.view === "lines") return lineCode(state, sides, part);
  const first = [`weights = a.map(${layer}, ${head}${part})  # (query, key)`, ...sinkCode(state, "weights")];
  if (pinned === null) return first;
  const name = pinned.which === 1 ? "other" : "a";
  return [...first, `pinned = ${name}.map(${pinned.layer}, ${pinned.head}${part})`, ...sinkCode(state, "pinned")];
}

function lineCode(state: State, sides: Sides, part: string): string[] {
  const { layer, head, direction } = state;
  const { position } = chosenOf(state, sides);
  if (direction === "to" ) {
    return [`weights = a.map(${layer}, ${head}, queries=${position}${part})  # (1, key)`, ...sinkCode(state, "weights")];
  }
  return [`weights = a.map(${layer}, ${head}${part})  # (query, key)`, ...sinkCode(state, "weights"), `weights = weights[:, ${position}]`];
}

/** The first key hidden as the panel hides it. */
function sinkCode({ hide_sink }: State, name: string): string[] {
  if (!hide_sink) return [];
  return [
    `${name}[:, 0] = 0  # the sink is hidden, and each row divided by what is left`,
    `left = ${name}.sum(1, keepdims=True)`,
    `${name} = np.divide(${name}, left, out=np.zeros_like(${name}), where=left > 0)`,
  ];
}

function sideCode(state: State, sides: Sides, parts: number): string[] {
  const { position } = chosenOf(state, sides);
  if (state.side === "lens") return [`a.lens(${position})`];
  if (state.side === "diff") return [`a.diff(other${partArgument(state, parts)})  # (layer, head)`];
  const heads = state.ablated.map(([layer, head]) => `(${layer}, ${head})`).join(", ");
  return heads === "" ? [] : [`a.ablate([${heads}], ${position})`];
}

function partArgument({ part }: State, parts: number): string {
  return parts > 1 ? `, part="${part}"` : "";
}
