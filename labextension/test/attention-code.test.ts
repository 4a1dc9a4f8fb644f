import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf } from "../src/widgets/attention/code.ts";
import { INITIAL, type State } from "../src/widgets/attention/state.ts";
import { tokens } from "./some-tokens.ts";

const words = tokens("Pip", " saw", " a", " fox");
const own = { queries: words, keys: words };
const state = (changes: Partial<State>): State => ({ ...INITIAL, layer: 5, head: 3, hide_sink: false, ...changes });

test("a map is one call", () => {
  assert.equal(codeOf(state({}), own, 1), "weights = a.map(5, 3)  # (query, key)");
});

test("a hidden sink is hidden in the code as well, and a row with nothing left stays 0", () => {
  const code = codeOf(state({ hide_sink: true }), own, 1);
  assert.match(code, /weights\[:, 0\] = 0/);
  assert.match(code, /np\.divide\(weights, left, out=np\.zeros_like\(weights\), where=left > 0\)/);
});

test("a part is named where a model has several", () => {
  assert.match(codeOf(state({ part: "cross" }), own, 3), /a\.map\(5, 3, part="cross"\)/);
});

test("lines are the row of the chosen token, or its column", () => {
  assert.match(codeOf(state({ view: "lines", query: 2 }), own, 1), /a\.map\(5, 3, queries=2\)/);
  assert.match(codeOf(state({ view: "lines", direction: "by", key: 1 }), own, 1), /weights\[:, 1\]/);
});

test("a pinned head of the other attention is taken from the other", () => {
  assert.match(codeOf(state({ pinned: { layer: 5, head: 3, which: 1 } }), own, 1), /pinned = other\.map\(5, 3\)/);
});

test("heads that are off are in the code of an ablation, after the last token where none is chosen", () => {
  assert.match(codeOf(state({ side: "ablate", ablated: [[5, 3], [1, 0]] }), own, 1), /a\.ablate\(\[\(5, 3\), \(1, 0\)\], 3\)$/);
});
