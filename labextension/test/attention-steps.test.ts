import assert from "node:assert/strict";
import { test } from "node:test";
import { arithmetic } from "../src/widgets/attention/one-head.ts";
import type { Steps } from "../src/widgets/attention/source.ts";

/** Two keys that are seen and one that is masked, by hand: products 2 and 0, scaled 1 and 0. */
const share = Math.E / (Math.E + 1);
const steps: Steps = {
  scaling: 0.5,
  query: Float32Array.of(1, 1),
  keys: { rows: 3, columns: 2, values: Float32Array.of(1, 1, 1, -1, 5, 5) },
  raw_scores: Float32Array.of(1, 0, -Infinity),
  weights: Float32Array.of(share, 1 - share, 0),
  values: { rows: 3, columns: 1, values: Float32Array.of(10, 20, 1000) },
  output: Float32Array.of(10 * share + 20 * (1 - share)),
};

test("the steps give what the model gave", () => {
  const { products, scaled, masked, softmax, output, difference } = arithmetic(steps);
  assert.deepEqual([...products], [2, 0, 10]);
  assert.deepEqual([...scaled], [1, 0, 5]);
  assert.deepEqual(masked, [false, false, true]);
  assert.ok(Math.abs(softmax[0]! - share) < 1e-12);
  assert.ok(Math.abs(output[0]! - steps.output[0]!) < 1e-5);
  assert.ok(difference.scores === 0 && difference.weights < 1e-6 && difference.output < 1e-5);
});

test("a bias of the model's own is told as a difference", () => {
  const { difference } = arithmetic({ ...steps, raw_scores: Float32Array.of(1, -2, -Infinity) });
  assert.equal(difference.scores, 2);
});

test("large scores don't overflow", () => {
  const { softmax } = arithmetic({ ...steps, raw_scores: Float32Array.of(1000, 1000, -Infinity) });
  assert.deepEqual([...softmax], [0.5, 0.5, 0]);
});

test("a row in which everything is masked stays 0", () => {
  const { softmax } = arithmetic({ ...steps, raw_scores: Float32Array.of(-Infinity, -Infinity, -Infinity) });
  assert.deepEqual([...softmax], [0, 0, 0]);
});
