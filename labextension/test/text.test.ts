import assert from "node:assert/strict";
import { test } from "node:test";
import { label, pieces, spelling, spoken, visible } from "../src/lib/text.ts";
import { token } from "./some-tokens.ts";

test("spaces, tabs and line ends are faint pictures beside the text", () => {
  assert.deepEqual(pieces(token(" fox\n\n")), [
    { kind: "faint", text: "·" },
    { kind: "text", text: "fox" },
    { kind: "faint", text: "⏎⏎" },
  ]);
  assert.equal(label(token("\t")), "⇥");
});

test("bytes that are no character yet are hex chips; the character itself is text", () => {
  assert.deepEqual(pieces(token("", { bytes: [0xf0, 0x0a] })), [
    { kind: "chip", text: "F0" },
    { kind: "chip", text: "0A" },
  ]);
  assert.deepEqual(pieces(token("🦊", { bytes: [0xa6] })), [{ kind: "text", text: "🦊" }]);
});

test("a special token is a chip, also one without a name", () => {
  assert.deepEqual(pieces(token("<|end|>", { special: true })), [{ kind: "chip", text: "<|end|>" }]);
  assert.deepEqual(pieces(token("", { special: true })), [{ kind: "chip", text: "token 7" }]);
});

test("control characters and marks that reorder lines are made visible", () => {
  assert.equal(visible("a\u0000\u001b[31m\u007f"), "a␀␛[31m␡");
  assert.equal(visible("\u202e\u2066\u0085"), "⟨U+202E⟩⟨U+2066⟩⟨U+0085⟩");
  assert.equal(visible("\ud83d"), "�");
  assert.equal(visible("👩‍🚀 مرحبا\n"), "👩‍🚀 مرحبا\n");
});

test("a label is cut between characters, never inside one", () => {
  assert.equal(label(token("🦊🦊🦊🦊"), 3), "🦊🦊…");
  assert.equal(label(undefined), "");
});

test("a screen reader hears names of what is invisible", () => {
  assert.equal(spoken(token(" fox")), "fox");
  assert.equal(spoken(token("\n\n")), "line end");
  assert.equal(spoken(token("", { bytes: [0xf0] })), "bytes F0");
});

test("a text is found where tokens spell it, each time, and nowhere else", () => {
  const tokens = ["Pip", " ran", " to", " P", "ip", "'s", " Pipette"].map((text) => token(text));
  assert.deepEqual(spelling("Pip", tokens), [0, 3, 4]);
  assert.deepEqual(spelling(" ran to", tokens), [1, 2]);
  assert.deepEqual(spelling("pip", tokens), []);
  assert.deepEqual(spelling("", tokens), []);
  assert.deepEqual(spelling("🦊", [token(" "), token("", { bytes: [0xf0] }), token("🦊", { bytes: [0x8a] })]), [1, 2]);
});
