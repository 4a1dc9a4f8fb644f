import assert from "node:assert/strict";
import { test } from "node:test";
import { NotSaved, type Recorded } from "../src/lib/recorded.ts";
import { panelSource } from "../src/widgets/fine_tuning/panel-source.ts";
import { savedSource } from "../src/widgets/fine_tuning/saved-source.ts";
import type { News, Source } from "../src/widgets/fine_tuning/source.ts";
import { connect, PanelError } from "../src/widgets/panel.ts";
import { FakeModel } from "./fake-model.ts";

const never = new AbortController().signal;
const ROW = Float32Array.from([1, 2.5, 1e-4, NaN, 100, 1e9, 0.5]);

/** A source, what it asks, and somebody who answers. */
function living(): { source: Source; fake: FakeModel; end(): void } {
  const fake = new FakeModel();
  const view = new AbortController();
  const panel = connect(fake.model, view.signal);
  return { source: panelSource(panel), fake, end: () => view.abort() };
}

test("the news of a job come as parts, each with its rows as a buffer", async () => {
  const { source, fake, end } = living();
  const heard: News[] = [];
  const promise = source.follow({ job: "abc", rows: 3, number: 7 }, (news) => heard.push(news), { signal: never });
  const { id, method, params } = fake.sent[0]!;
  assert.deepEqual([method, params], ["follow", { job: "abc", rows: 3, number: 7 }]);
  fake.say({ kind: "part", id, result: { row: 3 } }, [new DataView(ROW.buffer)]);
  fake.say({ kind: "part", id, result: { row: 4 } });
  fake.say({ kind: "answer", id, result: {} });
  await promise;
  assert.deepEqual(heard.map(({ row, rows }) => [row, [...rows]]), [[3, [...ROW]], [4, []]]);
  end();
});

test("what is asked is called as in Python", async () => {
  const { source, fake, end } = living();
  const signal = never;
  const nothing = (): void => undefined;
  void Promise.allSettled([
    source.curve({ job: "abc" }, { signal }),
    source.command({ command: "max_steps", value: 9 }, { signal }),
    source.generate({ model: "m", prompt: "p", max_new_tokens: 1, temperature: 1, seed: 0 }, nothing, { signal }),
    source.moved({ step: 1, text: "t" }, nothing, { signal }),
    source.exportCheckpoint({ step: 1, directory: "d", merged: false }, nothing, { signal }),
    source.remove({ step: 1 }, { signal }),
    source.start!(nothing, { signal }),
  ]);
  assert.deepEqual(fake.requests().map(({ method }) => method), ["curve", "command", "generate", "moved", "export_checkpoint", "remove", "start"]);
  assert.deepEqual(fake.requests()[1]!.params, { command: "max_steps", value: 9 });
  end();
});

test("an error says which field it is about", async () => {
  const { source, fake, end } = living();
  const promise = source.preview({ form: {} as never }, { signal: never });
  fake.say({ kind: "error", id: fake.sent[0]!.id, error: { code: "invalid_request", message: "no", param: "lora_rank" } });
  await assert.rejects(promise, (error: PanelError) => error.param === "lora_rank");
  const other = source.open({ signal: never });
  fake.say({ kind: "error", id: fake.sent[1]!.id, error: { code: "invalid_request", message: "no" } });
  await assert.rejects(other, (error: PanelError) => error.param === null);
  end();
});

const record = (method: string, params: object, answer: object, buffers: string[] = []): Recorded =>
  ({ method, params, answer, buffers, parts: [] }) as unknown as Recorded;

test("a saved page tells its job's curve once, and then waits", async () => {
  const bytes = btoa(String.fromCharCode(...new Uint8Array(ROW.buffer)));
  const source = savedSource([record("open", {}, { jobs: [] }), record("curve", { job: "abc" }, { row: 0, number: 9 }, [bytes])]);
  assert.equal(source.start, undefined);
  assert.deepEqual(await source.open({ signal: never }), { jobs: [] });
  const heard: News[] = [];
  const ending = new AbortController();
  const promise = source.follow({ job: "abc", rows: 0, number: 0 }, (news) => (heard.push(news), ending.abort()), { signal: ending.signal });
  await assert.rejects(promise, { name: "AbortError" });
  assert.deepEqual(heard.map(({ number, rows }) => [number, [...rows]]), [[9, [...ROW]]]);
});

test("what nobody looked at before a page was saved is said to be missing", async () => {
  await assert.rejects(savedSource([]).moved({ step: 1, text: "" }, () => undefined, { signal: never }), NotSaved);
});
