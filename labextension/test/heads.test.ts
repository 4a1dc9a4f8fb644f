import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttentionPart } from "../src/protocol.ts";
import { byLayer, headAt, headsOf, inLines, type Layout, neighbour, ranked } from "../src/widgets/attention/heads-layout.ts";
import { headInWords, statusInWords } from "../src/widgets/attention/heads-words.ts";
import { INITIAL } from "../src/widgets/attention/state.ts";

function part(heads: number[], keyHeads: number[] = heads): AttentionPart {
  return { name: "decoder", heads, key_heads: keyHeads, scaling: heads.map(() => 1), n_queries: 9, n_keys: 9 };
}

function overlapping({ places }: Layout): boolean {
  return places.some((one, i) => places.slice(i + 1).some((other) => Math.abs(one.left - other.left) < one.side && Math.abs(one.top - other.top) < one.side));
}

for (const [name, heads, keyHeads, width] of [
  ["12 × 12 in a pane", Array(12).fill(12), Array(12).fill(12), 420],
  ["32 × 32 with 8 key heads, narrow", Array(32).fill(32), Array(32).fill(8), 300],
  ["32 × 32 with one key head, wide", Array(32).fill(32), Array(32).fill(1), 1400],
  ["layers without attention between others", [4, 0, 4, 2], [4, 0, 2, 2], 320],
] as const) {
  test(`every head has a readable place of its own, and none is beside the pane: ${name}`, () => {
    const layout = byLayer(part([...heads], [...keyHeads]), width);
    assert.equal(layout.places.length, headsOf(part([...heads])).length);
    assert.ok(!overlapping(layout));
    for (const { left, top, side } of layout.places) {
      assert.ok(side >= 20 && left >= 0 && left + side <= width && top + side <= layout.height);
    }
    assert.equal(layout.layers.length, heads.length);
  });
}

test("lines of a folded layer end where a group of heads that share a key head ends", () => {
  const { places } = byLayer(part([32], [8]), 300);
  assert.deepEqual([0, 1, 2].map((wanted) => places.filter(({ line }) => line === wanted).length), [12, 12, 8]);
});

test("heads that share a key head stand together, underlined", () => {
  const layout = byLayer(part([8], [2]), 500);
  assert.equal(layout.groups.length, 2);
  const [a, b] = [layout.places[3]!, layout.places[4]!];
  assert.ok(b.left - a.left > layout.places[1]!.left - layout.places[0]!.left);
});

test("the dozen fills its lines evenly at every width", () => {
  const heads = headsOf(part([12]));
  for (const width of [288, 420, 700, 1400]) {
    const layout = inLines(heads, width, { least: 64, most: 104 });
    const lines = new Map<number, number>();
    for (const { line, left, side } of layout.places) {
      lines.set(line, (lines.get(line) ?? 0) + 1);
      assert.ok(left + side <= width);
    }
    assert.equal(new Set(lines.values()).size, 1, String([...lines]));
    assert.ok(!overlapping(layout));
  }
});

test("heads are ranked by score, those without one last", () => {
  const order = ranked(headsOf(part([2, 2])), [[0.1, null], [0.9, 0.1]]);
  assert.deepEqual(order.map(({ layer, head }) => [layer, head]), [[1, 0], [0, 0], [1, 1], [0, 1]]);
});

test("a place on the canvas is a head, and the gap beside the last one is none", () => {
  const layout = byLayer(part([2, 3]), 400);
  for (const place of layout.places) assert.equal(headAt(layout, place.left + 1, place.top + 1), place);
  assert.equal(headAt(layout, 399, 1), undefined);
});

test("arrows go to the neighbour, over layers without attention, and stop at the edge", () => {
  const layout = byLayer(part([3, 0, 2]), 400);
  const go = (layer: number, head: number, key: string) => {
    const { layer: l, head: h } = neighbour(layout, { layer, head }, key)!;
    return [l, h];
  };
  assert.deepEqual(go(0, 0, "ArrowRight"), [0, 1]);
  assert.deepEqual(go(0, 2, "ArrowDown"), [2, 1]);
  assert.deepEqual(go(2, 1, "ArrowUp"), [0, 1]);
  assert.deepEqual(go(0, 0, "ArrowUp"), [0, 0]);
  assert.deepEqual(go(0, 0, "End"), [2, 1]);
});

test("a head is told in words with its score, key head and marks", () => {
  const state = { ...INITIAL, score: "induction" as const, pinned: { layer: 0, head: 5 }, ablated: [[0, 5]] as [number, number][] };
  const scores = { state: "there" as const, values: [[0, 0, 0, 0, 0, 0.8312]] };
  assert.equal(headInWords({ layer: 0, head: 5 }, part([8], [2]), state, scores), "layer 0 head 5 · induction 0.831 · key head 1 · pinned · switched off");
});

test("what is still to come is said with how much", () => {
  assert.equal(statusInWords({ state: "waiting", done: 36, total: 1024 }, { done: 5, total: 32 }, false), "scoring 36 of 1,024 · maps: 5 of 32 layers");
  assert.equal(statusInWords({ state: "there", values: [] }, null, false), "");
});
