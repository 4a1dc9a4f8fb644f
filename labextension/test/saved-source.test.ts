import assert from "node:assert/strict";
import { test } from "node:test";
import { keyOf, type Recorded } from "../src/lib/recorded.ts";
import { savedSource } from "../src/widgets/attention/saved-source.ts";

const signal = new AbortController().signal;
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const head = { which: 0, part: "decoder", layer: 1, head: 2 } as const;
const values = Float32Array.of(1, 0, 0, 0.25, 0.75, 0, 0.125, 0.375, 0.5);

const records: Recorded[] = [
  {
    method: "open",
    params: {},
    answer: { info: { parts: [{ name: "decoder", n_queries: 3, n_keys: 3 }] }, other: null, chosen: { layer: 1, head: 2 } },
    buffers: [],
    parts: [],
  },
  {
    method: "exact",
    params: { ...head, queries: [0, 3], keys: [0, 3], hide_sink: false },
    answer: { shape: [3, 3] },
    buffers: [base64(new Uint8Array(values.buffer))],
    parts: [],
  },
  {
    method: "overview",
    params: { which: 0, part: "decoder", layers: [0], size: 64, hide_sink: false },
    answer: {},
    buffers: [],
    parts: [{ result: { layer: 0, shape: [1, 3, 3], peaks: [1] }, buffers: [base64(Uint8Array.of(255, 0, 0, 128, 127, 0, 85, 85, 85))] }],
  },
];
const source = savedSource(records);

test("the order of parameters makes no other question", () => {
  assert.equal(keyOf("tile", { b: [1, 2], a: { d: null, c: true } }), keyOf("tile", { a: { c: true, d: null }, b: [1, 2] }));
});

test("a whole map answers for every rectangle of it", async () => {
  const found = await source.exact({ ...head, queries: [1, 3], keys: [0, 2], hide_sink: false }, { signal });
  assert.deepEqual(found, { rows: 2, columns: 2, values: Float32Array.of(0.25, 0.75, 0.125, 0.375) });
});

test("a whole map answers for rows and columns", async () => {
  const question = { which: 0, part: "decoder", heads: [{ layer: 1, head: 2 }] } as const;
  const asked = { ...question, heads: [...question.heads] };
  assert.deepEqual((await source.rows({ ...asked, query: 2 }, { signal })).values, Float32Array.of(0.125, 0.375, 0.5));
  assert.deepEqual((await source.columns({ ...asked, key: 0 }, { signal })).values, Float32Array.of(1, 0.25, 0.125));
});

test("a whole map answers for pictures of blocks, with their peak", async () => {
  const question = { ...head, queries: [0, 3], keys: [0, 3], size: 1, hide_sink: false } as const;
  const most = await source.tile({ ...question, reduction: "max" }, { signal });
  assert.deepEqual([most.rows, most.columns, most.peak, ...most.pixels], [1, 1, 1, 255]);
  const mean = await source.tile({ ...question, reduction: "mean" }, { signal });
  assert.ok(Math.abs(mean.peak - 1 / 3) < 1e-6);
});

test("a picture with a pixel for each weight answers for its parts, and nothing coarser is asked of it", async () => {
  const question = { which: 0, part: "decoder", layer: 0, head: 0, queries: [1, 3], keys: [0, 2], hide_sink: false, reduction: "max" } as const;
  const found = await source.tile({ ...question, size: 256 }, { signal });
  assert.deepEqual([found.rows, found.columns, found.peak, ...found.pixels], [2, 2, 1, 128, 127, 85, 85]);
  await assert.rejects(source.tile({ ...question, size: 1 }, { signal }), { code: "not_saved" });
});

test("the mean of a whole map may be a coarser picture than was asked for, its maxima and its parts may not", async () => {
  const coarse = savedSource([
    { ...records[0]!, answer: { info: { parts: [{ name: "decoder", heads: [1], n_queries: 9, n_keys: 9 }] } } },
    records[2]!,
  ]);
  const question = { which: 0, part: "decoder", layer: 0, head: 0, queries: [0, 9], keys: [0, 9], hide_sink: false, size: 96 } as const;
  const found = await coarse.tile({ ...question, reduction: "mean" }, { signal });
  assert.deepEqual([found.rows, found.columns, found.pixels[0]], [3, 3, 255]);
  await assert.rejects(coarse.tile({ ...question, reduction: "max" }, { signal }), { code: "not_saved" });
  await assert.rejects(coarse.tile({ ...question, reduction: "mean", keys: [0, 4] }, { signal }), { code: "not_saved" });
});

test("what nobody looked at is said to be missing", async () => {
  await assert.rejects(source.lens({ position: 0, k: 3 }, { signal }), /before the page was saved/);
  await assert.rejects(source.exact({ ...head, queries: [0, 3], keys: [0, 3], hide_sink: true }, { signal }), { code: "not_saved" });
});

test("recorded parts come again", async () => {
  const layers: number[] = [];
  const question = { which: 0, part: "decoder", layers: [0], size: 64, hide_sink: false } as const;
  await source.overview({ ...question, layers: [0] }, ({ layer }) => layers.push(layer), { signal });
  assert.deepEqual(layers, [0]);
});

test("a grid has the layers that there are, in the order and whatever size it asks for", async () => {
  const layers: number[] = [];
  const question = { which: 0, part: "decoder", layers: [1, 0], size: 48, hide_sink: false } as const;
  const asked = source.overview({ ...question, layers: [...question.layers] }, ({ layer }) => layers.push(layer), { signal });
  await assert.rejects(asked, { code: "not_saved" });
  assert.deepEqual(layers, [0]);
});
