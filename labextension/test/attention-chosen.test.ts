import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttentionInfo, AttentionPart } from "../src/protocol.ts";
import { fitting, stateActions, stepBack } from "../src/widgets/attention/actions.ts";
import { chosenOf, largest, lineHeads, madeOf, modelName, sidesOf, turned, weightsOf } from "../src/widgets/attention/chosen.ts";
import { occurrences } from "../src/widgets/attention/find.ts";
import type { Opened, Source } from "../src/widgets/attention/source.ts";
import { INITIAL, type State } from "../src/widgets/attention/state.ts";
import { Store } from "../src/lib/store.ts";
import { tokens } from "./some-tokens.ts";

const part = (name: AttentionPart["name"], n_queries: number, n_keys: number, heads = [4, 0, 2]): AttentionPart => ({
  name,
  heads,
  key_heads: heads,
  scaling: heads.map(() => 0.5),
  n_queries,
  n_keys,
});
const info: AttentionInfo = {
  id: "it",
  model: "it",
  fingerprint: "",
  tokens: tokens("a", "b", "c", "d"),
  target_tokens: [],
  n_layers: 3,
  n_heads: 4,
  parts: [part("decoder", 4, 4)],
  causal: true,
  bytes: 0,
};
const opened: Opened = { info, other: null, chosen: { layer: 2, head: 1 } };
const translating: AttentionInfo = { ...info, target_tokens: tokens("x", "y"), parts: [part("cross", 2, 4)] };

test("a target attends to the text, and its tokens are the queries", () => {
  const { queries, keys } = sidesOf(translating, "cross");
  assert.equal(queries, translating.target_tokens);
  assert.equal(keys, translating.tokens);
});

test("where none is chosen it is the last token, and one that is not there is the last as well", () => {
  const sides = sidesOf(info, "decoder");
  assert.equal(chosenOf(INITIAL, sides).position, 3);
  assert.equal(chosenOf({ ...INITIAL, query: 99 }, sides).position, 3);
});

test("a token's making is looked at as long as the row of the token before it is the chosen one", () => {
  const store = new Store<State>({ ...INITIAL, query: 1 });
  const made = new Store<{ token: number | null }>({ token: 2 });
  const now = (): number | null => madeOf({ store, opened, made });
  assert.equal(now(), 2);
  store.set({ direction: "by" });
  assert.equal(now(), null);
  store.set({ direction: "to", query: 2 });
  assert.equal(now(), null);
  made.set({ token: null });
  assert.equal(now(), null);
});

test("turning round keeps the token where a text attends to itself, and chooses none of another text", () => {
  assert.deepEqual(turned({ ...INITIAL, query: 1 }, sidesOf(info, "decoder")), { direction: "by", key: 1 });
  assert.deepEqual(turned({ ...INITIAL, query: 1 }, sidesOf(translating, "cross")), { direction: "by" });
});

test("a hidden sink takes its weight away and the rest of the row sums to 1", async () => {
  const source = { rows: async () => ({ rows: 1, columns: 4, values: Float32Array.of(0.5, 0.25, 0.25, 0) }) } as unknown as Source;
  const asked = [{ layer: 0, head: 0 }];
  const { heads, sink } = await weightsOf(source, INITIAL, sidesOf(info, "decoder"), asked, { signal: new AbortController().signal });
  assert.deepEqual(heads, [Float32Array.of(0, 0.5, 0.5, 0)]);
  assert.deepEqual(sink, [0.5]);
});

test("a row that is nothing but the sink stays 0", async () => {
  const source = { rows: async () => ({ rows: 1, columns: 2, values: Float32Array.of(1, 0) }) } as unknown as Source;
  const asked = [{ layer: 0, head: 0 }];
  const { heads } = await weightsOf(source, INITIAL, sidesOf(info, "decoder"), asked, { signal: new AbortController().signal });
  assert.deepEqual(heads, [Float32Array.of(0, 0)]);
});

test("the largest weights come first, and what is nothing does not come", () => {
  assert.deepEqual(largest(Float32Array.of(0.1, 0, 0.5, 0.2, 0.2), 3), [2, 3, 4]);
  assert.deepEqual(largest(Float32Array.of(0, 0), 3), []);
});

test("a layer without attention is stepped over, and a head that the next one lacks becomes its last", () => {
  const store = new Store<State>({ ...INITIAL, layer: 0, head: 3 });
  stateActions(store, opened).layer(1);
  assert.deepEqual([store.get().layer, store.get().head], [2, 1]);
  stateActions(store, opened).layer(1);
  assert.equal(store.get().layer, 2);
});

test("what a state has of another model is replaced by what is there", () => {
  const changes = fitting({ ...INITIAL, layer: 1, head: 0, query: 99, pinned: { layer: 9, head: 0 }, ablated: [[0, 0], [8, 8]], kept: [[1, 0], [2, 1]] }, opened);
  assert.deepEqual(changes, { part: "decoder", layer: 2, head: 1, pinned: null, query: null, ablated: [[0, 0]], kept: [[2, 1]] });
});

test("where not even the head to begin with is there it is the first that is", () => {
  const parts = [part("encoder", 4, 4), part("cross", 2, 4, [0, 1])];
  const changes = fitting({ ...INITIAL, part: "cross", layer: 2, head: 1 }, { ...opened, info: { ...translating, parts } });
  assert.deepEqual([changes.layer, changes.head], [1, 0]);
});

test("scores that compare positions of one text are none of cross attention", () => {
  assert.equal(fitting({ ...INITIAL, part: "cross" }, { ...opened, info: translating }).score, "entropy");
  assert.equal(fitting({ ...INITIAL, part: "cross", score: "sink" }, { ...opened, info: translating }).score, undefined);
  const store = new Store<State>({ ...INITIAL, part: "cross", score: "from-to" });
  const sort = stateActions(store, { ...opened, info: translating }).sort;
  const seen = [0, 1, 2].map(() => (sort(), store.get().score));
  assert.deepEqual(seen, ["sink", "entropy", "from-to"]);
});

test("lines are of the chosen head, of one that is pinned beside it and of those that are kept, each once", () => {
  const state: State = { ...INITIAL, layer: 2, head: 1, pinned: { layer: 0, head: 3 }, kept: [[2, 1], [0, 2]] };
  assert.deepEqual(lineHeads(state), [{ layer: 2, head: 1 }, { layer: 0, head: 3 }, { layer: 0, head: 2 }]);
  assert.deepEqual(lineHeads({ ...state, pinned: { layer: 0, head: 3, which: 1 } }).length, 2);
});

test("a model's name reorders no line and is no control character", () => {
  assert.equal(modelName({ ...info, model: "it\u202e\0" }), "it⟨U+202E⟩␀");
  assert.equal(modelName({ ...info, model: "/home/me/it\u202e" }), "it⟨U+202E⟩");
});

test("Escape goes back one step at a time until nothing is left", () => {
  const store = new Store<State>({ ...INITIAL, side: "lens", view: "steps", query: 1 });
  const after = (): unknown[] => [stepBack(store), store.get().side, store.get().view, store.get().query];
  assert.deepEqual(after(), [true, "", "steps", 1]);
  assert.deepEqual(after(), [true, "", "matrix", 1]);
  assert.deepEqual(after(), [true, "", "matrix", null]);
  assert.equal(stepBack(store), false);
});

test("what is sought may begin and end within tokens", () => {
  assert.deepEqual(occurrences(tokens("Pip", " wan", "ted", " Pip"), "wanted"), [[1, 2]]);
  assert.deepEqual(occurrences(tokens("Pip", " wan", "ted", " Pip"), "pip"), [[0], [3]]);
  assert.deepEqual(occurrences(tokens("Pip"), ""), []);
});

test("tokens without a text are no place to find anything", () => {
  assert.deepEqual(occurrences(tokens("", "ab", "", "ab"), "ab"), [[1], [3]]);
  assert.deepEqual(occurrences(tokens("a", "", "b"), "ab"), [[0, 1, 2]]);
});
