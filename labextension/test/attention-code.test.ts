import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, firstCall } from "../src/widgets/attention/code.ts";
import { INITIAL, type State } from "../src/widgets/attention/state.ts";
import { tokens } from "./some-tokens.ts";

const words = tokens("Pip", " saw", " a", " fox");
const own = { queries: words, keys: words };
const state = (changes: Partial<State>): State => ({ ...INITIAL, layer: 5, head: 3, hide_sink: false, ...changes });

test("a map is one call", () => {
  const code = codeOf(state({}), own, 1);
  assert.equal(code, "# a = panel.attention\nweights = a.map(5, 3)  # (query, key)");
  assert.equal(firstCall(code), "weights = a.map(5, 3)  # (query, key)");
});

test("a hidden sink is hidden in the code as well", () => {
  assert.match(codeOf(state({ hide_sink: true }), own, 1), /a\.map\(5, 3, hide_sink=True\)/);
  assert.match(codeOf(state({ hide_sink: true, view: "lines", query: 2 }), own, 1), /a\.map\(5, 3, queries=2, hide_sink=True\)\[0\]/);
});

test("a part is named where a model has several", () => {
  assert.match(codeOf(state({ part: "cross" }), own, 3), /a\.map\(5, 3, part="cross"\)/);
});

test("lines are the row of the chosen token, or its column", () => {
  assert.match(codeOf(state({ view: "lines", query: 2 }), own, 1), /a\.map\(5, 3, queries=2\)/);
  assert.match(codeOf(state({ view: "lines", direction: "by", key: 1 }), own, 1), /a\.map\(5, 3, keys=1\)\[:, 0\]/);
});

test("lines of heads that are pinned or kept are a row for each, and their mean where the text is shaded", () => {
  const several = { view: "lines", query: 2, pinned: { layer: 1, head: 0 }, kept: [[5, 3], [4, 2]] } as const;
  const changes = { ...several, kept: several.kept.map(([layer, head]) => [layer, head] as [number, number]) };
  const code = codeOf(state(changes), own, 1);
  assert.match(code, /^heads = \[\(5, 3\), \(1, 0\), \(4, 2\)\]$/m);
  assert.match(code, /np\.stack\(\[a\.map\(layer, head, queries=2\)\[0\] for layer, head in heads\]\)  # \(head, key\)$/);
  assert.match(code, /^import numpy as np\n# a = panel\.attention\n/);
  assert.match(codeOf(state({ ...changes, shading: true }), own, 1), /np\.mean\(\[.*\], axis=0\)  # \(key\)$/);
});

test("a layer's mean is that of all its heads, in the part that is shown", () => {
  assert.match(codeOf(state({ view: "lines", layer_mean: true, query: 2 }), own, 1), /^heads = range\(a\.parts\[0\]\.heads\[5\]\)$/m);
  const cross = codeOf(state({ view: "lines", layer_mean: true, query: 2, part: "cross" }), own, 3);
  assert.match(cross, /part\.name == "cross"\)\.heads\[5\]/);
  assert.match(cross, /a\.map\(5, head, queries=2, part="cross"\)\[0\] for head in heads\], axis=0\)/);
});

test("a pinned head of the other attention is taken from the other", () => {
  const code = codeOf(state({ pinned: { layer: 5, head: 3, which: 1 } }), own, 1);
  assert.match(code, /^# a, other = panel\.attention, panel\.other\n.*\npinned = other\.map\(5, 3\)/);
});

test("heads that are off are in the code of an ablation, after the last token where none is chosen", () => {
  assert.match(codeOf(state({ side: "ablate", ablated: [[5, 3], [1, 0]] }), own, 1), /a\.ablate\(\[\(5, 3\), \(1, 0\)\], 3\)$/);
});
