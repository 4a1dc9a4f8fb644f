import assert from "node:assert/strict";
import { test } from "node:test";
import { byteSize } from "../src/lib/byte-sizes.ts";
import type { JobInfo, Preview } from "../src/protocol.ts";
import { usedAs } from "../src/widgets/fine_tuning/header.ts";
import { leftOutWords, markWords, noCheckpointsWords, noProbesWords, stateWords } from "../src/widgets/fine_tuning/log-words.ts";
import { actedOn, chosenSteps, modelAt, triable } from "../src/widgets/fine_tuning/model-strings.ts";
import { lengthWords } from "../src/widgets/fine_tuning/preview.ts";
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
  assert.doesNotMatch(stateWords("failed", "red\u202e\u001b"), /[\u202e\u001b]/);
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

test("what the log leaves out is counted: lines by themselves, marks and probes of a long history together", () => {
  assert.equal(leftOutWords(0, 0), "");
  assert.equal(leftOutWords(1, 0), "1 earlier line is left out");
  assert.equal(leftOutWords(1_200, 2), "1,200 earlier lines are left out; 2 marks and probes of a long history are left out");
});

test("why there are no checkpoints depends on what has become of the job", () => {
  const says = (state: JobInfo["state"], kinds: Mark["kind"][] = [], living = true, gone: string | null = null): string =>
    noCheckpointsWords({ info: job({ state }), marks: kinds.map((kind) => ({ kind }) as Mark), gone }, living);
  assert.match(says("running"), /^The first checkpoint comes/);
  for (const state of ["failed", "cancelled"] as const) assert.equal(says(state), "The job ended before its first checkpoint.");
  assert.equal(says("succeeded", ["checkpoint"]), "None of its checkpoints is left.");
  assert.equal(says("running", [], true, "deleted"), "None of its checkpoints is left.");
  assert.equal(says("running", [], false), "There was no checkpoint when the page was saved.");
});

test("why there are no probes depends on what has become of the job", () => {
  const says = (state: JobInfo["state"], probes: string[], living = true, gone: string | null = null): string =>
    noProbesWords({ info: job({ state, options: { probes } as unknown as JobInfo["options"] }), gone }, living);
  assert.match(says("running", []), /has no probes/);
  assert.equal(says("running", ["a"]), "The probes come before the first step.");
  for (const [state, gone] of [["failed", null], ["cancelled", null], ["running", "deleted"]] as const) assert.equal(says(state, ["a"], true, gone), "No probes were made.");
  assert.equal(says("queued", ["a"], false), "There were no probes when the page was saved.");
});

test("one of each kind is counted as one", () => {
  const one = { samples: 1, tokens: 1, counted: 1, lengths: [1, 1, 1, 1, 1], max_length: 1, cut: 1, dropped: 1, split: 1, validation_samples: 1 } as unknown as Preview;
  assert.equal(
    lengthWords(one).join(""),
    "1 sample, 1 token, of which 1 is learnt; 1 to 1 token long, half of them up to 1; 1 text longer than 1 is split; " +
      "1 sample loses what is beyond 1 token; 1 row is dropped; 1 sample is for validation.",
  );
});

test("of several checkpoints the one that was chosen last is deleted, never the base", () => {
  assert.equal(actedOn([0, 20, 120], 20), 20);
  assert.equal(actedOn([0, 120], 20), 120);
  assert.equal(actedOn([0, 120], 0), 120);
  assert.equal(actedOn([0], 0), 0);
  assert.equal(actedOn([], 20), 0);
});
