import assert from "node:assert/strict";
import { test } from "node:test";
import { counted, float32Text, grouped, percent, short } from "../src/lib/numbers.ts";

test("a float32 is written as the shortest decimal that is it again, as NumPy writes it", () => {
  assert.equal(float32Text(Math.fround(0.1)), "0.1");
  assert.equal(float32Text(Math.fround(1 / 3)), "0.33333334");
  assert.equal(float32Text(Math.fround(3.0981017e-5)), "3.0981017e-05");
  assert.equal(float32Text(0), "0");
  assert.equal(float32Text(1), "1");
  assert.equal(float32Text(-Infinity), "-inf");
  let value = 1;
  for (let i = 0; i < 200; i++) {
    value = Math.fround(value * 0.913);
    assert.equal(Math.fround(Number(float32Text(value))), value);
  }
});

test("short numbers have a few digits that count", () => {
  assert.deepEqual([0, 0.0832, 0.5, 1.236, 12.36, 312.4, 40960, 3e-6].map((value) => short(value)), ["0", "0.083", "0.5", "1.24", "12.4", "312", "40,960", "3e-6"]);
});

test("percentages have the decimals they need", () => {
  assert.deepEqual([1, 0.412, 0.0312, 0.0001].map(percent), ["100 %", "41 %", "3.1 %", "0.010 %"]);
  assert.deepEqual([0, 4e-6, 6e-6].map(percent), ["0.000 %", "< 0.001 %", "0.001 %"]);
  assert.equal(grouped(1024), "1,024");
});

test("what is counted is named in the plural unless it is one", () => {
  assert.deepEqual([0, 1, 1_024].map((count) => counted(count, "row")), ["0 rows", "1 row", "1,024 rows"]);
  assert.deepEqual([1, 2].map((count) => counted(count, "is", "are")), ["1 is", "2 are"]);
});
