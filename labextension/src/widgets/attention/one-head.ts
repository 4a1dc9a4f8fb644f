/** The arithmetic of one head and one query, done again beside the model's own. */

import type { Matrix, Steps } from "./source.ts";

export interface Arithmetic {
  /** (key): the query times each key. */
  products: Float64Array;
  /** (key): the products times the scaling; equal to the model's scores where no mask, bias or cap comes after. */
  scaled: Float64Array;
  /** (key): whether the mask forbids it. */
  masked: boolean[];
  /** (key): the softmax of the model's scores. */
  softmax: Float64Array;
  /** (value dimension): the weights times the values, added up. */
  output: Float64Array;
  /** The largest differences from what the model has. */
  difference: { scores: number; weights: number; output: number };
}

export function arithmetic({ query, keys, values, scaling, raw_scores, weights, output }: Steps): Arithmetic {
  const products = Float64Array.from({ length: keys.rows }, (_, key) => product(query, keys, key));
  const scaled = products.map((each) => each * (scaling ?? 1));
  const masked = Array.from(raw_scores, (score) => score === -Infinity);
  const softmax = softmaxOf(raw_scores);
  const sum = new Float64Array(values.columns);
  weights.forEach((weight, key) => {
    if (weight === 0) return;
    for (let column = 0; column < values.columns; column += 1) {
      sum[column] = sum[column]! + weight * values.values[key * values.columns + column]!;
    }
  });
  const seen = Array.from(masked.keys()).filter((key) => !masked[key]);
  return {
    products,
    scaled,
    masked,
    softmax,
    output: sum,
    difference: {
      scores: largestOf(seen.map((key) => scaled[key]! - raw_scores[key]!)),
      weights: largestOf(seen.map((key) => softmax[key]! - weights[key]!)),
      output: largestOf(Array.from(sum, (value, column) => value - (output[column] ?? 0))),
    },
  };
}

function product(query: Float32Array, keys: Matrix, key: number): number {
  let sum = 0;
  for (let column = 0; column < keys.columns; column += 1) sum += query[column]! * keys.values[key * keys.columns + column]!;
  return sum;
}

/** The largest score is taken away first, so that no power is too large for a number. */
function softmaxOf(scores: Float32Array): Float64Array {
  const most = scores.reduce((larger, score) => Math.max(larger, score), -Infinity);
  if (most === -Infinity) return new Float64Array(scores.length);
  const powers = Float64Array.from(scores, (score) => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function largestOf(differences: number[]): number {
  return differences.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
}
