import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Store } from "../src/lib/store.ts";
import { connect, Panel, PanelError, PATIENCE, shareState } from "../src/widgets/panel.ts";
import { FakeModel } from "./fake-model.ts";

let fake: FakeModel;
let view: AbortController;
let panel: Panel;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  fake = new FakeModel();
  view = new AbortController();
  panel = connect(fake.model, view.signal);
});

afterEach(() => {
  if (!view.signal.aborted) view.abort();
  mock.timers.reset();
});

const never = new AbortController().signal;

/** Asks, and gives the id and what becomes of it. */
function ask(method = "tile", signal = never, onPart?: (part: { result: unknown; buffers: DataView[] }) => void) {
  const promise = panel.request<{ peak: number }>(method, { layer: 3 }, onPart ? { signal, onPart } : { signal });
  promise.catch(() => {});
  return { id: fake.sent.at(-1)!.id, promise };
}

test("a request is a message, and its answer the promise's value", async () => {
  const { id, promise } = ask();
  assert.deepEqual(fake.sent, [{ kind: "request", id, method: "tile", params: { layer: 3 } }]);
  const buffers = [new DataView(new ArrayBuffer(4))];
  fake.say({ kind: "answer", id, result: { peak: 0.5 } }, buffers);
  assert.deepEqual(await promise, { result: { peak: 0.5 }, buffers });
});

test("ids are unique, also among views", () => {
  const other = connect(fake.model, view.signal);
  void other.request("tile", {}, { signal: never }).catch(() => {});
  ask();
  ask();
  assert.equal(new Set(fake.sent.map(({ id }) => id)).size, 3);
});

test("answers find their requests in any order, and those of other views are left alone", async () => {
  const [first, second] = [ask(), ask()];
  fake.say({ kind: "answer", id: "somebody-0", result: { peak: 9 } });
  fake.say({ kind: "answer", id: second.id, result: { peak: 2 } });
  fake.say({ kind: "answer", id: first.id, result: { peak: 1 } });
  assert.deepEqual([(await first.promise).result.peak, (await second.promise).result.peak], [1, 2]);
});

test("parts come before the answer", async () => {
  const parts: unknown[] = [];
  const { id, promise } = ask("overview", never, ({ result }) => parts.push(result));
  fake.say({ kind: "part", id, result: { layer: 0 } });
  fake.say({ kind: "part", id, result: { layer: 1 } });
  fake.say({ kind: "answer", id, result: {} });
  await promise;
  assert.deepEqual(parts, [{ layer: 0 }, { layer: 1 }]);
});

test("an error has Python's code and message", async () => {
  const { id, promise } = ask();
  fake.say({ kind: "error", id, error: { code: "model_changed", message: "saved again since" } });
  await assert.rejects(promise, (error: PanelError) => {
    assert.deepEqual([error.constructor, error.code, error.message], [PanelError, "model_changed", "saved again since"]);
    return true;
  });
});

test("cancelling tells Python and rejects at once; what comes later is dropped", async () => {
  const controller = new AbortController();
  const { id, promise } = ask("tile", controller.signal, () => assert.fail("a part of what was cancelled"));
  controller.abort();
  await assert.rejects(promise, { name: "AbortError" });
  assert.deepEqual(fake.sent.at(-1), { kind: "cancel", id });
  fake.say({ kind: "part", id, result: {} });
  fake.say({ kind: "answer", id, result: {} });
});

test("a signal that has ended lets nothing be asked", async () => {
  await assert.rejects(panel.request("tile", {}, { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.deepEqual(fake.sent, []);
});

test("cancelling after the answer says nothing", async () => {
  const controller = new AbortController();
  const { id, promise } = ask("tile", controller.signal);
  fake.say({ kind: "answer", id, result: {} });
  await promise;
  controller.abort();
  assert.equal(fake.sent.length, 1);
});

test("that somebody has answered is told once, with the first word, before what it is about", async () => {
  const told: string[] = [];
  panel.onAnswered(() => told.push("answered"));
  const { id, promise } = ask();
  assert.equal(told.length, 0);
  const done = promise.then(() => told.push("resolved"));
  fake.say({ kind: "part", id, result: {} });
  fake.say({ kind: "answer", id, result: { peak: 1 } });
  await done;
  assert.deepEqual(told, ["answered", "resolved"]);
  panel.onAnswered(() => told.push("at once"));
  assert.equal(told.at(-1), "at once");
});

test("the end of a view cancels what it asked and leaves no listener and no timer", async () => {
  const { id, promise } = ask();
  view.abort();
  await assert.rejects(promise, { name: "AbortError" });
  assert.deepEqual(fake.sent.at(-1), { kind: "cancel", id });
  assert.equal(fake.listeners, 0);
  const before = fake.sent.length;
  mock.timers.tick(10 * PATIENCE);
  assert.equal(fake.sent.length, before);
  await assert.rejects(panel.request("tile", {}, { signal: never }), { name: "AbortError" });
});

const pings = () => fake.sent.filter(({ kind }) => kind === "ping");
const pong = (open: string[]) => fake.say({ kind: "pong", id: pings().at(-1)!.id, open });

test("nobody is asked for a sign of life while nothing is waited for", () => {
  mock.timers.tick(10 * PATIENCE);
  assert.deepEqual(fake.sent, []);
});

test("a long silence is a lost connection, and any word ends it", () => {
  const told: boolean[] = [];
  panel.onLost(() => told.push(panel.lost));
  const { id } = ask();
  mock.timers.tick(PATIENCE);
  assert.equal(pings().length, 1);
  mock.timers.tick(PATIENCE);
  assert.equal(told.length, 0);
  mock.timers.tick(PATIENCE);
  assert.deepEqual(told, [true]);
  pong([id]);
  assert.deepEqual(told, [true, false]);
});

test("work that takes long is no lost connection", () => {
  const { id } = ask();
  for (let count = 1; count <= 10; count++) {
    mock.timers.tick(PATIENCE);
    assert.equal(pings().length, count);
    pong([id]);
  }
  assert.equal(panel.lost, false);
  assert.equal(fake.requests().length, 1);
});

test("a lost connection is asked ever more rarely", () => {
  ask();
  for (let second = 0; second < 600; second++) mock.timers.tick(1000);
  assert.ok(panel.lost);
  assert.ok(pings().length < 20, `${pings().length} pings`);
});

test("what got lost on the way is asked again", async () => {
  const [lost, known] = [ask("lens"), ask("tile")];
  mock.timers.tick(PATIENCE);
  const late = ask("rows"); // after the ping: its pong can't know it
  pong([known.id]);
  assert.deepEqual(
    fake.requests().map(({ id }) => id),
    [lost.id, known.id, late.id, lost.id],
  );
  fake.say({ kind: "answer", id: lost.id, result: { peak: 1 } });
  assert.equal((await lost.promise).result.peak, 1);
});

test("when widgets lose the notebook kernel, it is asked at once", () => {
  fake.emit("comm_live_update");
  assert.equal(pings().length, 1);
  mock.timers.tick(PATIENCE);
  assert.ok(panel.lost);
  fake.emit("comm_live_update");
  pong([]);
  assert.equal(panel.lost, false);
});

test("a comm that is gone is a lost connection at once, and what is asked waits for it", async () => {
  fake.gone = true;
  const controller = new AbortController();
  const promise = panel.request<object>("tile", {}, { signal: controller.signal });
  assert.ok(panel.lost);
  fake.gone = false;
  fake.emit("comm_live_update");
  pong([]);
  assert.equal(panel.lost, false);
  assert.equal(fake.requests().length, 1);
  fake.say({ kind: "answer", id: fake.requests()[0]!.id, result: {} });
  await promise;
});

test("a comm that is gone lets a request be cancelled", async () => {
  const controller = new AbortController();
  const { promise } = ask("tile", controller.signal);
  fake.gone = true;
  controller.abort();
  await assert.rejects(promise, { name: "AbortError" });
  view.abort();
});

test("state is shared both ways, and only once", () => {
  fake = new FakeModel({ state: { layer: 2, query: null, of_a_later_version: 1 } });
  const store = new Store({ layer: 0, query: null as number | null });
  const told: number[] = [];
  store.on(["layer"], () => told.push(store.get().layer));
  shareState(fake.model, store, view.signal);
  assert.deepEqual(store.get(), { layer: 2, query: null });
  assert.equal(fake.saved, 0);
  store.set({ query: 5 });
  assert.deepEqual(fake.get("state"), { layer: 2, query: 5 });
  assert.equal(fake.saved, 1);
  fake.set("state", { layer: 4, query: 5 });
  assert.deepEqual(store.get(), { layer: 4, query: 5 });
  assert.deepEqual(told, [2, 4]);
  view.abort();
  store.set({ layer: 7 });
  assert.equal((fake.get("state") as { layer: number }).layer, 4);
  assert.equal(fake.listeners, 0);
});
