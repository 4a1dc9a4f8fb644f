import assert from "node:assert/strict";
import { test } from "node:test";
import { compact, duration, linearTicks, logTicks, type Tick, timeTicks, wholeTicks } from "../src/lib/ticks.ts";

const texts = (ticks: Tick[]): string[] => ticks.map(({ text }) => text);

test("numbers of an axis are round, and no more than there is room for", () => {
  assert.deepEqual(texts(linearTicks([1.42, 3.7], 5)), ["1.5", "2.0", "2.5", "3.0", "3.5"]);
  assert.deepEqual(texts(linearTicks([0, 0.0002], 2)), ["0", "1e-4", "2e-4"]);
  assert.deepEqual(texts(linearTicks([-1, 1], 3)), ["-1", "0", "1"]);
});

test("an axis of one value, or of none, has no numbers", () => {
  for (const ticks of [linearTicks, wholeTicks, logTicks, timeTicks]) {
    assert.deepEqual(ticks([2, 2], 5), []);
    assert.deepEqual(ticks([NaN, NaN], 5), []);
  }
  assert.deepEqual(logTicks([0, 10], 5), []);
});

test("steps are whole", () => {
  assert.deepEqual(texts(wholeTicks([0, 3], 10)), ["0", "1", "2", "3"]);
  assert.deepEqual(texts(wholeTicks([0, 50_000], 5)), ["0", "10,000", "20,000", "30,000", "40,000", "50,000"]);
});

test("a logarithmic axis has powers of ten, with what lies between them where there is room", () => {
  assert.deepEqual(texts(logTicks([0.1, 1000], 5)), ["0.1", "1", "10", "100", "1000"]);
  assert.deepEqual(texts(logTicks([1, 10], 6)), ["1", "2", "5", "10"]);
  assert.deepEqual(texts(logTicks([1e-8, 1e8], 4)), ["1e-8", "1e-4", "1", "10k", "100M"]);
  assert.deepEqual(texts(logTicks([2, 4], 4)), ["2.0", "2.5", "3.0", "3.5", "4.0"]);
});

test("times are those of clocks", () => {
  assert.deepEqual(texts(timeTicks([0, 60], 4)), ["0:00", "0:15", "0:30", "0:45", "1:00"]);
  assert.deepEqual(texts(timeTicks([0, 8_000], 5)), ["0:00", "30:00", "1:00:00", "1:30:00", "2:00:00"]);
  assert.deepEqual([0, 31.4, 725, 11_525, 190_000].map(duration), ["0:00", "0:31", "12:05", "3:12:05", "2 d 04:46"]);
});

test("a number in few characters", () => {
  assert.deepEqual([0, 2e-4, 0.00012345, 0.083, 1.5, 512, 12_300, 3_400_000, 1e12].map(compact), ["0", "2e-4", "1.23e-4", "0.083", "1.5", "512", "12.3k", "3.4M", "1T"]);
});
