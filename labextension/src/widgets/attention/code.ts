/** What is seen, as NumPy code to copy; `a` is the attention, `panel` whatever the panel is called. */

import type { Sides } from "./chosen.ts";
import { chosenOf, lineHeads } from "./chosen.ts";
import type { State } from "./state.ts";

/** The code of a state; `parts` is how many parts the model has: with one there is nothing to name. */
export function codeOf(state: State, sides: Sides, parts: number): string {
  const side = state.side === "" ? [] : sideCode(state, sides, parts);
  const lines = [...viewCode(state, sides, parts), ...side];
  const uses = (pattern: RegExp): boolean => lines.some((line) => pattern.test(line));
  const names = uses(/\bother\b/) ? "a, other = panel.attention, panel.other" : "a = panel.attention";
  // A comment, because the panel may be called something else, and `a` be there.
  return [...(uses(/\bnp\./) ? ["import numpy as np"] : []), `# ${names}`, ...lines].join("\n");
}

/** The first line that says what code is about. */
export function firstCall(code: string): string {
  return code.split("\n").find((line) => !/^(#|import )/.test(line)) ?? "";
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
  if (state.view === "lines") return lineCode(state, sides, parts);
  const options = part + sinkArgument(state);
  const first = `weights = a.map(${layer}, ${head}${options})  # (query, key)`;
  if (pinned === null) return [first];
  return [first, `pinned = ${pinned.which === 1 ? "other" : "a"}.map(${pinned.layer}, ${pinned.head}${options})`];
}

/** One row for each head, or their mean where that is what is seen. */
function lineCode(state: State, sides: Sides, parts: number): string[] {
  const { layer, direction, layer_mean, shading } = state;
  const { position } = chosenOf(state, sides);
  const options = partArgument(state, parts) + sinkArgument(state);
  const [axis, at] = direction === "to" ? ["key", `queries=${position}${options})[0]`] : ["query", `keys=${position}${options})[:, 0]`];
  if (layer_mean) {
    const found = parts > 1 ? `next(part for part in a.parts if part.name == "${state.part}")` : "a.parts[0]";
    return [
      `heads = range(${found}.heads[${layer}])`,
      `weights = np.mean([a.map(${layer}, head, ${at} for head in heads], axis=0)  # (${axis})`,
    ];
  }
  const heads = lineHeads(state);
  if (heads.length === 1) return [`weights = a.map(${layer}, ${state.head}, ${at}  # (${axis})`];
  const pairs = heads.map(({ layer: l, head: h }) => `(${l}, ${h})`).join(", ");
  const each = `[a.map(layer, head, ${at} for layer, head in heads]`;
  return [`heads = [${pairs}]`, shading ? `weights = np.mean(${each}, axis=0)  # (${axis})` : `weights = np.stack(${each})  # (head, ${axis})`];
}

/** The first key hidden as the panel hides it: each row is divided by what is left. */
function sinkArgument({ hide_sink }: State): string {
  return hide_sink ? ", hide_sink=True" : "";
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
