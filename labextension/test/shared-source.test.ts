import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedSource } from "../src/widgets/attention/shared-source.ts";
import type { MapQuestion, Matrix, Options, Picture, Source } from "../src/widgets/attention/source.ts";

const MAP: MapQuestion = { which: 0, part: "decoder", layer: 1, head: 2, queries: [0, 9], keys: [0, 9], hide_sink: true };
const TILE = { ...MAP, size: 256, reduction: "max" } as const;
const PICTURE: Picture = { rows: 1, columns: 1, peak: 1, pixels: Uint8Array.of(255) };
const ROW: Matrix = { rows: 1, columns: 1, values: Float32Array.of(1) };
const rowOf = (query: number) => ({ which: 0 as const, part: "decoder" as const, heads: [{ layer: 1, head: 2 }], query });

/** A source that answers when it is told to, and knows what it was asked. */
function slowSource() {
  const asked: { what: string; signal: AbortSignal; answer(): void; fail(error: Error): void }[] = [];
  const slow =
    <Answer>(what: string, found: Answer) =>
    (_question: object, { signal }: Options) =>
      new Promise<Answer>((resolve, reject) => asked.push({ what, signal, answer: () => resolve(found), fail: reject }));
  const source = { tile: slow("tile", PICTURE), rows: slow("rows", ROW), columns: slow("columns", ROW), exact: slow("exact", ROW) };
  return { asked, source: sharedSource(source as unknown as Source) };
}

const own = () => new AbortController();
/** Whatever can happen without somebody else has happened. */
const rest = () => new Promise((resolve) => setImmediate(resolve));

test("two views that ask the same share one answer", async () => {
  const { asked, source } = slowSource();
  const answers = [source.rows(rowOf(3), own()), source.rows(rowOf(3), own())];
  await rest();
  assert.deepEqual(asked.map(({ what }) => what), ["rows"]);
  asked[0]!.answer();
  assert.deepEqual(await Promise.all(answers), [ROW, ROW]);
});

test("other questions are asked by themselves, and rows again once they were answered", async () => {
  const { asked, source } = slowSource();
  const first = source.rows(rowOf(3), own());
  const other = source.rows(rowOf(4), own());
  await rest();
  assert.equal(asked.length, 2);
  for (const each of asked) each.answer();
  await Promise.all([first, other]);
  void source.rows(rowOf(3), own());
  await rest();
  assert.equal(asked.length, 3);
});

test("what is shared is cancelled when nobody waits for it any more", async () => {
  const { asked, source } = slowSource();
  const [one, other] = [own(), own()];
  const answers = [source.tile(TILE, one), source.tile(TILE, other)];
  one.abort();
  await assert.rejects(answers[0]!, { name: "AbortError" });
  assert.equal(asked[0]!.signal.aborted, false);
  other.abort();
  await assert.rejects(answers[1]!, { name: "AbortError" });
  assert.equal(asked[0]!.signal.aborted, true);
  void source.tile(TILE, own()).catch(() => undefined);
  assert.equal(asked.length, 2);
});

test("a tile that was asked for before is there at once", async () => {
  const { asked, source } = slowSource();
  const foreseen = source.tile(TILE, own());
  asked[0]!.answer();
  await foreseen;
  assert.equal(await source.tile(TILE, { signal: own().signal, first: true }), PICTURE);
  assert.equal(asked.length, 1);
});

for (const [ends, over] of [["is there", "answer"], ["has failed", "fail"]] as const) {
  test(`rows and exact numbers wait until the map that comes first ${ends}`, async () => {
    const { asked, source } = slowSource();
    const tile = source.tile(TILE, { signal: own().signal, first: true });
    tile.catch(() => undefined);
    void source.rows(rowOf(3), own());
    void source.columns({ which: 0, part: "decoder", heads: [], key: 1 }, own());
    void source.exact(MAP, own());
    let settled = false;
    void source.settled().then(() => (settled = true));
    await rest();
    assert.deepEqual(asked.map(({ what }) => what), ["tile"]);
    assert.equal(settled, false);
    asked[0]![over](new Error("no such head"));
    await rest();
    assert.deepEqual(asked.map(({ what }) => what), ["tile", "rows", "columns", "exact"]);
    assert.equal(settled, true);
  });
}

test("what was cancelled while it waited is never asked", async () => {
  const { asked, source } = slowSource();
  void source.tile(TILE, { signal: own().signal, first: true });
  const ending = own();
  const row = source.rows(rowOf(3), ending);
  ending.abort();
  asked[0]!.answer();
  await assert.rejects(row, { name: "AbortError" });
  assert.deepEqual(asked.map(({ what }) => what), ["tile"]);
});
