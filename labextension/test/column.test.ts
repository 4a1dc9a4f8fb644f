import assert from "node:assert/strict";
import { test } from "node:test";
import { Column, type Summary } from "../src/lib/column.ts";

const into = (): Summary => ({ low: 0, high: 0, sum: 0, count: 0 });

function column(values: Iterable<number>): Column {
  const found = new Column();
  for (const value of values) found.append(value);
  return found;
}

/** What a stretch is, found the long way. */
function long(values: readonly number[], start: number, stop: number): Summary {
  const some = values.slice(start, stop).filter((value) => Number.isFinite(value));
  return { low: Math.min(...some), high: Math.max(...some), sum: some.reduce((sum, value) => sum + value, 0), count: some.length };
}

test("every stretch is summed up as if one had gone through it", () => {
  const values = Array.from({ length: 5_000 }, (_, at) => (at % 17 === 0 ? NaN : Math.round(1000 * Math.sin(at * 1.7))));
  const found = column(values);
  for (const [start, stop] of [[0, 5_000], [1, 4_999], [16, 32], [255, 257], [300, 300], [4_096, 4_999], [7, 9]] as const) {
    assert.deepEqual(found.over(start, stop, into()), long(values, start, stop), `${start} to ${stop}`);
  }
});

test("what was taken back is not remembered", () => {
  const found = column(Array.from({ length: 600 }, () => 100));
  found.truncate(300);
  for (let count = 0; count < 300; count++) found.append(1);
  assert.equal(found.length, 600);
  assert.deepEqual(found.over(0, 600, into()), { low: 1, high: 100, sum: 30_300, count: 600 });
  assert.deepEqual(found.over(304, 600, into()), { low: 1, high: 1, sum: 296, count: 296 });
});

test("a stretch with no number has none", () => {
  assert.deepEqual(column([NaN, Infinity]).over(0, 2, into()), { low: Infinity, high: -Infinity, sum: 0, count: 0 });
});

test("the nearest number of a column that never falls is found", () => {
  const found = column([1, 2, 4, 4, 8]);
  assert.deepEqual([-5, 1.4, 3, 4, 6.1, 99].map((value) => found.nearest(value)), [0, 0, 1, 2, 4, 4]);
  assert.equal(new Column().nearest(3), -1);
  assert.deepEqual([0, 4, 9].map((value) => found.firstFrom(value)), [0, 2, 5]);
});

test("beyond its ends a column has no number", () => {
  assert.ok(Number.isNaN(column([1]).at(1)));
  assert.ok(Number.isNaN(column([1]).at(-1)));
});
