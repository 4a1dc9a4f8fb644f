import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobInfo } from "../src/protocol.ts";
import { type Drawn, signsOf, valuesAt } from "../src/widgets/fine_tuning/curves-content.ts";
import { History } from "../src/widgets/fine_tuning/history.ts";
import { Smoothed } from "../src/widgets/fine_tuning/smoothed.ts";
import type { Mark } from "../src/widgets/fine_tuning/source.ts";
import { INITIAL, type State } from "../src/widgets/fine_tuning/state.ts";

type Unplaced = Mark extends infer Each ? (Each extends Mark ? Omit<Each, "number" | "step" | "seconds"> : never) : never;
const placed = (marks: [step: number, mark: Unplaced][]): Mark[] =>
  marks.map(([step, mark], at) => ({ ...mark, number: at + 1, step, seconds: 10 * step }) as Mark);
const state = (name: JobInfo["state"], reason: string | null = null): Unplaced => ({ kind: "state", state: name, reason, message: null });
const validation = (loss: number): Unplaced => ({ kind: "validation", loss, perplexity: null, accuracy: null, best: false });

/** A history of steps 1, 2, … with these losses, ten seconds each. */
function historyOf(losses: number[], marks: [number, Unplaced][], about: Partial<JobInfo> = {}): History {
  const rows = losses.flatMap((loss, at) => [at + 1, loss, 1e-4, NaN, 100, 1e9, 10 * (at + 1)]);
  const history = new History();
  const info = { name: "pip", checkpoints: [], best_step: null, ...about } as unknown as JobInfo;
  history.take({ info, now: 0, number: 99, row: 0, rows: Float32Array.from(rows), rewound_to: null, marks: placed(marks), probes: [], omitted: 0, reachable: true, gone: null });
  return history;
}

function drawn(history: History, changes: Partial<State> = {}, others: History[] = []): Drawn {
  const beside = others.map((other, at) => ({ id: String(at), history: other, smoothed: new Smoothed() }));
  return { history, smoothed: new Smoothed(), others: beside, state: { ...INITIAL, ...changes }, dark: false };
}

const signs = (history: History, changes: Partial<State> = {}) => signsOf(drawn(history, changes), "faint", "error").map(({ sign, x, y }) => [sign, x, y]);
const values = (now: Drawn, index: number) => Object.fromEntries(valuesAt(now, index).map(({ name, text }) => [name, text]));

test("checkpoints that are there have a sign, and the best validation has one on its curve", () => {
  const checkpoint: Unplaced = { kind: "checkpoint", bytes: 1, loss: null };
  const about = { checkpoints: [{ step: 2 }], best_step: 4 } as unknown as Partial<JobInfo>;
  const history = historyOf([], [[1, checkpoint], [2, checkpoint], [2, validation(3)], [4, validation(2)]], about);
  assert.deepEqual(signs(history), [["checkpoint", 2, null], ["best", 4, 2]]);
});

test("pauses, ends that nobody wished for and lack of memory have a sign, each state once", () => {
  const history = historyOf([], [
    [1, state("running")],
    [2, { kind: "out_of_memory", micro_batch_size: 1, accumulation: 8 }],
    [3, state("paused", "user")],
    [3, state("paused", "user")],
    [4, state("running")],
    [5, state("failed", "died")],
    [6, state("running")],
    [7, state("cancelled", "user")],
  ]);
  assert.deepEqual(signs(history), [["out_of_memory", 2, null], ["paused", 3, null], ["failed", 5, null], ["failed", 7, null]]);
});

test("by time signs are at their seconds", () => {
  assert.deepEqual(signs(historyOf([], [[3, state("paused")]]), { axis: "seconds" }), [["paused", 30, null]]);
});

test("the values at a point are its own, and the validation's that was not after it", () => {
  const history = historyOf([4, 3, 2, 1], [[2, validation(3.5)], [4, validation(1.5)]]);
  assert.deepEqual(values(drawn(history), 2), { step: "3", time: "0:30", training: "2.000", validation: "3.500" });
  assert.equal(values(drawn(history), 3).validation, "1.500");
  assert.equal(values(drawn(history), 0).validation, "–");
  assert.equal(values(drawn(history, { axis: "seconds" }), 2).validation, "3.500");
});

test("before the first step there are no values", () => {
  assert.deepEqual(values(drawn(historyOf([], [])), -1), { step: "–", time: "–", training: "–", validation: "–" });
});

test("a smoothed loss has its own value, and another job's loss is its nearest", () => {
  const other = historyOf([9, 8], [], { name: "other" });
  const found = values(drawn(historyOf([4, 2, 2, 2], []), { smoothing: 0.5 }, [other]), 3);
  assert.deepEqual([found.training, found.smoothed], ["2.000", "2.133"]);
  assert.equal(values(drawn(historyOf([4, 2, 2, 2], []), {}, [other]), 3).other, "8.000");
});
