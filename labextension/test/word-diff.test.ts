import assert from "node:assert/strict";
import { test } from "node:test";
import { wordDiff } from "../src/lib/word-diff.ts";

const parts = (before: string, after: string): string => wordDiff(before, after).map(({ kind, text }) => `${{ same: "=", added: "+", removed: "-" }[kind]}${text}`).join("|");

test("words that are new and words that are gone, and nothing else", () => {
  assert.equal(parts(" was a little fox", " was a big fox"), "= was a|- little|+ big|= fox");
  assert.equal(parts("the same", "the same"), "=the same");
  assert.equal(parts("", " something"), "+ something");
  assert.equal(parts(" something", ""), "- something");
  assert.equal(parts("", ""), "");
});

test("both texts can be put together again, whatever they are", () => {
  const texts = ["a b a c a", "c a b b a\n", " a\nb", "x", "a  b", "🦊 é 中文 a"];
  for (const before of texts) {
    for (const after of texts) {
      const found = wordDiff(before, after);
      assert.equal(found.filter(({ kind }) => kind !== "added").map(({ text }) => text).join(""), before);
      assert.equal(found.filter(({ kind }) => kind !== "removed").map(({ text }) => text).join(""), after);
    }
  }
});

test("as many words as possible stay", () => {
  assert.equal(parts(" a b c d", " b c x d"), "- a|= b c|+ x|= d");
});

test("very long texts are compared at their ends only", () => {
  const many = (word: string): string => Array.from({ length: 3_000 }, () => word).join(" ");
  const found = wordDiff(`begin ${many("a")} end`, `begin ${many("b")} end`);
  assert.deepEqual(found.map(({ kind }) => kind), ["same", "removed", "added", "same"]);
});
