import assert from "node:assert/strict";
import { test } from "node:test";
import { Column } from "../src/lib/column.ts";
import type { JobInfo } from "../src/protocol.ts";
import { Decimated } from "../src/widgets/fine_tuning/decimate.ts";
import { History } from "../src/widgets/fine_tuning/history.ts";
import { Smoothed } from "../src/widgets/fine_tuning/smoothed.ts";
import type { Mark, News } from "../src/widgets/fine_tuning/source.ts";

const info = { state: "running", checkpoints: [] } as unknown as JobInfo;

function news(part: Partial<News>): News {
  return { info, now: 0, number: 0, row: 0, rows: new Float32Array(), rewound_to: null, marks: [], probes: [], omitted: 0, reachable: true, gone: null, ...part };
}

/** Rows of steps, with this loss. */
function rows(from: number, to: number, loss: number): Float32Array {
  const found: number[] = [];
  for (let step = from; step <= to; step++) found.push(step, loss, 1e-4, NaN, 100, 1e9, step / 10);
  return Float32Array.from(found);
}

const note = (number: number, step: number): Mark => ({ kind: "note", number, step, seconds: step, message: "" });
const losses = (history: History): number[] => Array.from({ length: history.series.rows }, (_, at) => history.series.columns.loss.at(at));

test("rows are added, and replaced where a later attempt did them again", () => {
  const history = new History();
  history.take(news({ rows: rows(1, 5, 3) }));
  history.take(news({ row: 5, rows: rows(6, 7, 3) }));
  assert.equal(history.series.rows, 7);
  history.take(news({ row: 3, rows: rows(4, 6, 2) }));
  assert.deepEqual(losses(history), [3, 3, 3, 2, 2, 2]);
  assert.equal(history.series.rewinds, 1);
  assert.ok(Number.isNaN(history.series.columns.grad_norm.at(0)));
});

test("news without rows leave those that there are", () => {
  const history = new History();
  history.take(news({ rows: rows(1, 5, 3) }));
  history.take(news({ row: 5 }));
  assert.equal(history.series.rows, 5);
  assert.deepEqual([history.series.rewinds, losses(history)], [0, [3, 3, 3, 3, 3]]);
});

test("what is told twice is there once", () => {
  const history = new History();
  const first = news({ rows: rows(1, 4, 3), marks: [note(1, 0), note(3, 2)], probes: [{ step: 0, index: 0, prompt: "a", text: "b" }], number: 6 });
  history.take(first);
  history.take(first);
  assert.deepEqual([history.series.rows, history.marks.length, history.probes.length, history.newest], [4, 2, 1, 6]);
});

test("marks and probes of steps that are done again are taken back first", () => {
  const history = new History();
  const probe = (step: number, text: string) => ({ step, index: 0, prompt: "a", text });
  history.take(news({ marks: [note(1, 0), note(2, 5), note(3, 9)], probes: [probe(0, "old"), probe(5, "old"), probe(9, "old")] }));
  history.take(news({ rewound_to: 5, marks: [note(7, 5)], probes: [probe(5, "new")] }));
  assert.deepEqual(history.marks.map(({ number }) => number), [1, 7]);
  assert.deepEqual(history.probes.map(({ step, text }) => [step, text]), [[0, "old"], [5, "new"]]);
});

test("a history that is told from its beginning forgets what it was", () => {
  const history = new History();
  history.take(news({ rows: rows(1, 9, 3), marks: [note(1, 0), note(2, 5)], number: 12 }));
  history.take(news({ row: 0, rewound_to: 0, rows: rows(1, 2, 1), marks: [note(1, 0)], number: 3 }));
  assert.deepEqual([losses(history), history.marks.map(({ number }) => number), history.newest], [[1, 1], [1], 3]);
});

test("a panel that is left open keeps the newest marks, and the first probes with the newest ones", () => {
  const history = new History();
  const probe = (step: number) => ({ step, index: 0, prompt: "", text: "" });
  for (let at = 0; at < 6_000; at++) history.take(news({ marks: [note(at + 1, at)], probes: at % 2 === 0 ? [probe(at)] : [], number: at + 1 }));
  assert.ok(history.marks.length <= 4_000 && history.probes.length <= 2_000);
  assert.equal(history.marks.at(-1)?.number, 6_000);
  assert.deepEqual([history.probes[0]?.step, history.probes.at(-1)?.step], [0, 5_998]);
  assert.equal(history.omitted, 3_000);
  const again = news({ marks: [note(1, 0), note(6_000, 5_999)], probes: [probe(10)], number: 6_000 });
  history.take(again);
  assert.deepEqual([history.omitted, history.marks.length, history.probes.length], [3_000, 4_000, 2_000]);
  history.take({ ...again, omitted: 2_500 });
  assert.equal(history.omitted, 3_000);
  history.take({ ...again, row: 0, rewound_to: 0, omitted: 7 });
  assert.equal(history.omitted, 7);
});

test("validations are a curve of their own, with gaps where the loss was no number", () => {
  const history = new History();
  const validation = (number: number, step: number, loss: number | null): Mark => ({ kind: "validation", number, step, seconds: step, loss, perplexity: null, accuracy: null, best: false });
  history.take(news({ marks: [validation(1, 10, 2), validation(2, 20, null), validation(3, 30, 1.5)] }));
  const { step, loss } = history.validation;
  assert.deepEqual([0, 1, 2].map((at) => [step.at(at), loss.at(at)]), [[10, 2], [20, NaN], [30, 1.5]]);
});

test("smoothing is TensorBoard's: an exponential average without the pull towards 0 at its beginning", () => {
  const column = new Column();
  for (const value of [4, 2, NaN, 8]) column.append(value);
  const found = new Smoothed().follow(column, 0.5, 0);
  const exact = [2 / 0.5, (0.5 * 2 + 0.5 * 2) / 0.75, NaN, (0.5 * 2 + 0.5 * 8) / 0.875];
  exact.forEach((value, at) => assert.equal(found.at(at), Math.fround(value)));
});

test("smoothing goes on where it was, and begins anew after a rewind or with another weight", () => {
  const column = new Column();
  const whole = (weight: number): number[] => {
    const fresh = new Smoothed().follow(column, weight, 0);
    return Array.from({ length: fresh.length }, (_, at) => fresh.at(at));
  };
  const seen = (from: Column): number[] => Array.from({ length: from.length }, (_, at) => from.at(at));
  for (const value of [3, 1, 2]) column.append(value);
  const smoothed = new Smoothed();
  smoothed.follow(column, 0.9, 0);
  column.append(5);
  assert.deepEqual(seen(smoothed.follow(column, 0.9, 0)), whole(0.9));
  assert.deepEqual(seen(smoothed.follow(column, 0.3, 0)), whole(0.3));
  column.truncate(2);
  column.append(7);
  column.append(7);
  assert.deepEqual(seen(smoothed.follow(column, 0.3, 1)), whole(0.3));
});

test("each column of pixels has the least, mean and largest of the points in it", () => {
  const [x, y] = [new Column(), new Column()];
  for (let at = 0; at < 1_000; at++) {
    x.append(at);
    y.append(at % 10);
  }
  const found = new Decimated().fill(x, y, [0, 999], 100);
  assert.deepEqual([found.low[50], found.high[50]], [0, 9]);
  assert.ok(Math.abs((found.mean[50] as number) - 4.5) <= 0.5);
  const alone = new Decimated().fill(x, y, [500, 501], 4);
  assert.deepEqual([...alone.mean].map((value) => (Number.isNaN(value) ? null : value)), [0, null, null, 1]);
});

test("every point is in some column of pixels, and in one only", () => {
  const [x, y] = [new Column(), new Column()];
  for (let at = 0; at < 777; at++) {
    x.append(Math.sqrt(at));
    y.append(1);
  }
  const counted = { at: 0 };
  const over = y.over.bind(y);
  y.over = (start, stop, into) => {
    counted.at += Math.max(0, stop - start);
    return over(start, stop, into);
  };
  new Decimated().fill(x, y, [0, x.at(776)], 64);
  assert.equal(counted.at, 777);
});
