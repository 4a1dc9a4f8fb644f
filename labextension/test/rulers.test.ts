import assert from "node:assert/strict";
import { test } from "node:test";
import { cut } from "../src/lib/rulers.ts";

/** A font whose characters are 10 pixels wide; counts how often it was measured. */
function font(): { measureText(text: string): TextMetrics; measured: number } {
  return {
    measured: 0,
    measureText(text) {
      this.measured += 1;
      return { width: 10 * [...text].length } as TextMetrics;
    },
  };
}

test("a text that fits stays whole, and one that doesn't ends where the ellipsis fits", () => {
  assert.equal(cut(font(), "abcd", 40), "abcd");
  assert.equal(cut(font(), "abcdef", 40), "abc…");
  assert.equal(cut(font(), "🦊🦊🦊🦊", 30), "🦊🦊…");
});

test("of a text that never fits one character is left", () => {
  assert.equal(cut(font(), "abcd", 5), "a…");
  assert.equal(cut(font(), "a", 5), "a…");
});

test("a token of many characters is measured a few times", () => {
  const context = font();
  assert.equal(cut(context, "a".repeat(100_000), 50), "aaaa…");
  assert.ok(context.measured < 25, `measured ${context.measured} times`);
});
