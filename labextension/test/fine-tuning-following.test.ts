import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { JobInfo } from "../src/protocol.ts";
import { Following } from "../src/widgets/fine_tuning/following.ts";
import { History } from "../src/widgets/fine_tuning/history.ts";
import type { News, Source } from "../src/widgets/fine_tuning/source.ts";

type Follow = Source["follow"];
interface Asked {
  question: Parameters<Follow>[0];
  say(part: Partial<News>): void;
  end(): Promise<void>;
  fail(error: Error): Promise<void>;
  signal: AbortSignal;
}

let asked: Asked[];
let failures: unknown[];
let changes: number;
let history: History;
let following: Following;
let now: number;

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const source: Pick<Source, "follow"> = {
  follow(question, onNews, { signal }) {
    return new Promise((resolve, reject) => {
      asked.push({
        question,
        signal,
        say(part) {
          const info = { state: "running", checkpoints: [] } as unknown as JobInfo;
          onNews({ info, now: 0, number: 1, row: 0, rows: new Float32Array(), rewound_to: null, marks: [], probes: [], omitted: 0, reachable: true, gone: null, ...part });
        },
        end: () => (resolve(), settled()),
        fail: (error) => (reject(error), settled()),
      });
    });
  },
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  now = 0;
  mock.method(performance, "now", () => now);
  [asked, failures, changes, history] = [[], [], 0, new History()];
  following = new Following(source, "job", history, { changed: () => changes++, failed: (error) => failures.push(error) });
  following.ask();
});

afterEach(() => {
  following.end();
  mock.timers.reset();
  mock.restoreAll();
});

test("the first question knows nothing, and a second one is not asked meanwhile", () => {
  following.ask();
  assert.deepEqual(asked.map(({ question }) => question), [{ job: "job", rows: 0, number: 0 }]);
});

test("a question that ends after a while is asked again at once, with what is known", async () => {
  asked[0]!.say({ rows: Float32Array.from([1, 3, 0, 0, 0, 0, 0]), number: 4 });
  assert.equal(changes, 1);
  now = 60_000;
  await asked[0]!.end();
  mock.timers.tick(0);
  assert.deepEqual(asked[1]?.question, { job: "job", rows: 1, number: 4 });
});

test("a question that ends at once is not asked in a circle", async () => {
  await asked[0]!.end();
  mock.timers.tick(900);
  assert.equal(asked.length, 1);
  mock.timers.tick(100);
  assert.equal(asked.length, 2);
});

test("a job that has ended is looked at now and then only, and one that is gone no more", async () => {
  asked[0]!.say({ info: { state: "succeeded", checkpoints: [] } as unknown as JobInfo });
  now = 5_000;
  await asked[0]!.end();
  mock.timers.tick(14_000);
  assert.equal(asked.length, 1);
  mock.timers.tick(1_000);
  asked[1]!.say({ gone: "it was deleted" });
  await asked[1]!.end();
  mock.timers.tick(100_000);
  assert.equal(asked.length, 2);
});

test("an error is told, and what failed is asked again ever more rarely", async () => {
  for (const wait of [2_000, 4_000, 8_000]) {
    await asked.at(-1)!.fail(new Error("no"));
    const before = asked.length;
    mock.timers.tick(wait - 1);
    assert.equal(asked.length, before);
    mock.timers.tick(1);
    assert.equal(asked.length, before + 1);
  }
  assert.equal(failures.length, 3);
});

test("a connection that is there again is asked anew, and what the lost question says is dropped", () => {
  following.again();
  assert.ok(asked[0]!.signal.aborted);
  asked[0]!.say({ number: 9 });
  assert.deepEqual([asked.length, history.newest, changes], [2, 0, 0]);
});

test("the end of the view ends the question, and nothing is asked any more", async () => {
  following.end();
  assert.ok(asked[0]!.signal.aborted);
  await asked[0]!.fail(asked[0]!.signal.reason);
  mock.timers.tick(100_000);
  following.ask();
  assert.deepEqual([asked.length, failures.length], [1, 0]);
});
