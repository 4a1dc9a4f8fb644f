import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, floats } from "../src/lib/buffers.ts";

const numbers = new Float32Array([1, -0.5, Infinity]);

test("aligned numbers are not copied", () => {
  const buffer = new ArrayBuffer(20);
  new Float32Array(buffer, 8).set(numbers);
  const read = floats(new DataView(buffer, 8, 12));
  assert.deepEqual(read, numbers);
  assert.equal(read.buffer, buffer);
});

test("numbers at any other place are read all the same", () => {
  const buffer = new ArrayBuffer(20);
  new Uint8Array(buffer, 3).set(new Uint8Array(numbers.buffer));
  assert.deepEqual(floats(new DataView(buffer, 3, 12)), numbers);
});

test("half a number is an error", () => {
  assert.throws(() => floats(new DataView(new ArrayBuffer(6))), /6 bytes are no float32 numbers/);
});

test("bytes are those of the view only", () => {
  const buffer = new Uint8Array([1, 2, 3, 4]).buffer;
  assert.deepEqual(bytes(new DataView(buffer, 1, 2)), new Uint8Array([2, 3]));
});
