import assert from "node:assert/strict";
import { test } from "node:test";
import { KeptAtEnd } from "../src/widgets/fine_tuning/kept-at-end.ts";

const opened = () => {
  const box = { scrollTop: 0, scrollHeight: 500, clientHeight: 100 };
  return { box, kept: new KeptAtEnd(box) };
};

test("what is at its end stays there while more comes and when it is shown again", () => {
  const { box, kept } = opened();
  kept.toEnd();
  assert.equal(box.scrollTop, 500);
  box.scrollHeight = 900;
  kept.again();
  assert.equal(box.scrollTop, 900);
});

test("where somebody has scrolled up it stays, also after it was hidden", () => {
  const { box, kept } = opened();
  box.scrollTop = 400;
  kept.scrolled();
  box.scrollTop = 120;
  kept.scrolled();
  box.scrollHeight = 900;
  kept.toEnd();
  assert.equal(box.scrollTop, 120);
  Object.assign(box, { scrollTop: 0, clientHeight: 0 });
  kept.scrolled();
  box.clientHeight = 100;
  kept.again();
  assert.equal(box.scrollTop, 120);
});

test("who scrolls to the end again is kept there", () => {
  const { box, kept } = opened();
  box.scrollTop = 400;
  kept.scrolled();
  box.scrollTop = 0;
  kept.scrolled();
  box.scrollTop = 390;
  kept.scrolled();
  box.scrollHeight = 900;
  kept.toEnd();
  assert.equal(box.scrollTop, 900);
});

test("an end that has moved away before the event came is followed all the same", () => {
  const { box, kept } = opened();
  box.scrollTop = 400;
  kept.scrolled();
  box.scrollHeight = 900;
  kept.scrolled();
  Object.assign(box, { clientHeight: 60 });
  kept.scrolled();
  kept.again();
  assert.equal(box.scrollTop, 900);
});
