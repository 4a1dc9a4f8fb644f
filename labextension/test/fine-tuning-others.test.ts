import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { JobInfo } from "../src/protocol.ts";
import { Others } from "../src/widgets/fine_tuning/others.ts";
import type { News } from "../src/widgets/fine_tuning/source.ts";

let asked: string[];
let heard: string[];
let answer: () => Promise<News>;
let others: Others;

const news = (state: JobInfo["state"]): News => ({
  info: { state, checkpoints: [] } as unknown as JobInfo,
  now: 0, number: 1, row: 0, rows: new Float32Array(), rewound_to: null, marks: [], probes: [], omitted: 0, reachable: true, gone: null,
});
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function pass(seconds: number): Promise<void> {
  await settled();
  mock.timers.tick(1000 * seconds);
  await settled();
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  [asked, heard] = [[], []];
  const curve = ({ job }: { job: string }): Promise<News> => (asked.push(job), answer());
  others = new Others({ curve }, { changed: () => heard.push("changed"), failed: (error) => heard.push((error as Error).message) });
});
afterEach(() => {
  others.destroy();
  mock.timers.reset();
});

test("a running job's curve is asked for again soon, a paused one's seldom, one's that has ended never", async () => {
  for (const [state, times] of [["running", 4], ["paused", 1], ["succeeded", 1]] as const) {
    asked = [];
    answer = async () => news(state);
    others.want(["a"]);
    for (let at = 0; at < 3; at++) await pass(20);
    assert.equal(asked.length, times, state);
    await pass(state === "paused" ? 61 : 600);
    assert.equal(asked.length, state === "succeeded" ? 1 : times + 1, state);
    others.want([]);
  }
});

test("a question that has failed is asked again, ever more seldom, and the failure is told once", async () => {
  answer = async () => Promise.reject(new Error("lost"));
  others.want(["a"]);
  await pass(20);
  assert.equal(asked.length, 2);
  await pass(20);
  assert.equal(asked.length, 2);
  answer = async () => news("running");
  await pass(20);
  assert.deepEqual([asked.length, heard], [3, ["lost", "changed"]]);
  assert.deepEqual(others.shown.map(({ id }) => id), ["a"]);
});

test("what a saved page does not have is not asked for again", async () => {
  answer = async () => Promise.reject(Object.assign(new Error("not saved"), { code: "not_saved" }));
  others.want(["a"]);
  await pass(1_000);
  assert.deepEqual([asked, heard], [["a"], ["not saved"]]);
});

test("a job that is no longer wanted is let go of", async () => {
  answer = async () => news("running");
  others.want(["a", "b"]);
  await settled();
  others.want(["b"]);
  await pass(20);
  assert.deepEqual(asked, ["a", "b", "b"]);
});
