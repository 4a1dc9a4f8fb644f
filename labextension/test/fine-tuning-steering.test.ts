import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { CommandName, JobInfo } from "../src/protocol.ts";
import { History } from "../src/widgets/fine_tuning/history.ts";
import type { Mark, Told } from "../src/widgets/fine_tuning/source.ts";
import { possible, Steering, wrongRate, wrongSteps } from "../src/widgets/fine_tuning/steering.ts";

let told: { command: CommandName; value?: number }[];
let answer: { resolve(told: Told): void; reject(error: Error): void };
let heard: string[];
let history: History;
let steering: Steering;

const job = (state: JobInfo["state"]): JobInfo => ({ state, checkpoints: [] }) as unknown as JobInfo;
const become = (state: JobInfo["state"], marks: Mark[] = [], number = 10): void => {
  history.take({ info: job(state), now: 0, number, row: 0, rows: new Float32Array(), rewound_to: null, marks, probes: [], omitted: 0, reachable: true, gone: null });
  steering.update();
};
const done = (number: number, command: CommandName): Mark => ({ kind: "command", number, step: 1, seconds: 1, command, value: null, obeyed: true, message: null });
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  [told, heard, history] = [[], [], new History()];
  const source = {
    command: (question: { command: CommandName; value?: number }) => {
      told.push(question);
      return new Promise<Told>((resolve, reject) => (answer = { resolve, reject }));
    },
  };
  steering = new Steering(source, history, {
    changed: () => heard.push("changed"),
    written: () => heard.push("written"),
    obeyed: (command) => heard.push(`obeyed ${command}`),
    late: (text) => heard.push(text),
    failed: (error) => heard.push((error as Error).message),
  });
  become("running");
});

test("a command is under way until the job says that it has obeyed", async () => {
  steering.tell("learning_rate", 1e-4);
  assert.deepEqual([told, steering.pending], [[{ command: "learning_rate", value: 1e-4 }], "learning_rate"]);
  answer.resolve({ info: job("running"), late: null });
  await settled();
  assert.equal(steering.pending, "learning_rate");
  become("running", [done(11, "pause")], 11);
  assert.equal(steering.pending, "learning_rate");
  become("running", [done(12, "learning_rate")], 12);
  assert.equal(steering.pending, null);
  assert.ok(heard.includes("obeyed learning_rate"));
});

test("an earlier answer to the same command is not taken for this one", () => {
  become("running", [done(5, "max_steps")]);
  steering.tell("max_steps", 9);
  steering.update();
  assert.equal(steering.pending, "max_steps");
});

test("a pause is over when the job is paused, whoever said it", () => {
  steering.tell("pause");
  become("paused");
  assert.equal(steering.pending, null);
});

test("a resume of a job that has failed waits until it runs", () => {
  become("failed");
  steering.tell("resume");
  steering.update();
  assert.equal(steering.pending, "resume");
  become("running");
  assert.equal(steering.pending, null);
});

test("a command that is refused is told so, and others can be given again", async () => {
  steering.tell("stop");
  answer.reject(new Error("the job has ended"));
  await settled();
  assert.equal(steering.pending, null);
  assert.ok(heard.includes("the job has ended"));
});

test("a job that does not answer in time is told of, and can be told something else", async () => {
  steering.tell("pause");
  answer.resolve({ info: job("running"), late: "pip has not answered yet" });
  await settled();
  assert.equal(heard.at(-1), "pip has not answered yet");
  steering.tell("cancel");
  assert.deepEqual(told.map(({ command }) => command), ["pause", "cancel"]);
});

test("one command at a time, and none that makes no sense", () => {
  steering.tell("resume");
  assert.deepEqual(told, []);
  steering.tell("pause");
  steering.tell("stop");
  assert.deepEqual(told.map(({ command }) => command), ["pause"]);
});

test("what a job can be told depends on its state", () => {
  assert.deepEqual(possible(job("succeeded")), []);
  assert.deepEqual(possible(job("queued")), ["cancel"]);
  assert.ok(possible(job("failed")).includes("resume"));
});

test("numbers are checked before they are sent, with what to write instead", () => {
  assert.equal(wrongRate("2e-4"), null);
  for (const text of ["", "fast", "-1", "0", "3", "0x10", "0,1", "Infinity"]) assert.match(wrongRate(text)!, /2e-4/);
  assert.equal(wrongSteps("1,200", 140), null);
  assert.match(wrongSteps("140", 140)!, /140 steps are done already/);
  for (const text of ["", "12.5", "1,2", "12,", "0x10", "1_000"]) assert.match(wrongSteps(text, 1)!, /no whole number/);
  assert.match(wrongSteps("1e13", 1)!, /more steps/);
});
