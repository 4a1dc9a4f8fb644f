import assert from "node:assert/strict";
import { test } from "node:test";
import { byteSize } from "../src/lib/byte-sizes.ts";
import type { JobInfo } from "../src/protocol.ts";
import { usedAs } from "../src/widgets/fine_tuning/header.ts";
import { markWords, stateWords } from "../src/widgets/fine_tuning/log-words.ts";
import { chosenSteps, modelAt, triable } from "../src/widgets/fine_tuning/model-strings.ts";
import type { Mark } from "../src/widgets/fine_tuning/source.ts";

type Unplaced = Mark extends infer Each ? (Each extends Mark ? Omit<Each, "number" | "step" | "seconds"> : never) : never;
const words = (mark: Unplaced): string => markWords({ number: 1, step: 1, seconds: 1, ...mark } as Mark);

test("what has happened is said in words", () => {
  assert.equal(words({ kind: "validation", loss: 2.31, perplexity: 10.0744, accuracy: 0.345, best: true }), "validation loss 2.310, perplexity 10.07, 34.5 % of tokens right, the best so far");
  assert.equal(words({ kind: "validation", loss: null, perplexity: null, accuracy: null, best: false }), "validation: the loss is no number");
  assert.equal(words({ kind: "checkpoint", bytes: 1_310_720, loss: null }), "checkpoint, 1.31 MB");
  assert.equal(words({ kind: "out_of_memory", micro_batch_size: 1, accumulation: 8 }), "the memory did not suffice: from now on 1 sample at a time, 8 times a step");
  assert.equal(words({ kind: "note", message: "as it is" }), "as it is");
});

test("a state says why, and what its message says", () => {
  assert.equal(stateWords("paused", "user"), "paused");
  assert.equal(stateWords("succeeded", null), "succeeded");
  assert.equal(stateWords("failed", "of_a_later_version"), "failed: of a later version");
  assert.equal(words({ kind: "state", state: "failed", reason: "disk_full", message: "Make room." }), "failed: the disk is full. Make room.");
});

test("a command says whether it was obeyed", () => {
  assert.equal(words({ kind: "command", command: "learning_rate", value: 1e-4, obeyed: true, message: null }), "told to set the learning rate to 1e-4");
  assert.equal(words({ kind: "command", command: "pause", value: null, obeyed: false, message: "it has ended" }), "could not pause: it has ended");
});

test("bytes have the unit that suits them", () => {
  assert.deepEqual([12, 1_234, 999_900, 1_310_720, 128e6, 1_200e9].map(byteSize), ["12 bytes", "1.23 kB", "1,000 kB", "1.31 MB", "128 MB", "1,200 GB"]);
});

const checkpoint = (step: number, best = false) => ({ step, bytes: 1, digest: "", can_resume: false, loss: 1, best });
const job = (changes: Partial<JobInfo>): JobInfo =>
  ({ model: "gpt2", name: "pip", result: "gpt2+pip", best_step: null, checkpoints: [checkpoint(50, true), checkpoint(100)], options: { method: "lora" }, ...changes }) as JobInfo;

test("the base and each checkpoint can be called by name", () => {
  assert.deepEqual(triable(job({})), [0, 50, 100]);
  assert.deepEqual([0, 50].map((step) => modelAt(job({}), step)), ["gpt2", "gpt2+pip:50"]);
  assert.deepEqual(triable(job({ result: null, checkpoints: [] })), [0]);
});

test("the best checkpoint is chosen while nobody chooses, and one that is gone is no longer", () => {
  assert.deepEqual(chosenSteps(job({}), []), [50]);
  assert.deepEqual(chosenSteps(job({ checkpoints: [checkpoint(20), checkpoint(40)] }), []), [40]);
  assert.deepEqual(chosenSteps(job({}), [0, 100, 999]), [0, 100]);
  assert.deepEqual(chosenSteps(job({ checkpoints: [] }), []), [0]);
});

test("what was made is used as its best", () => {
  assert.equal(usedAs(job({})), "gpt2+pip:best");
  assert.equal(usedAs(job({ checkpoints: [checkpoint(7)] })), "gpt2+pip");
});
