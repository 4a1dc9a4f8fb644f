import assert from "node:assert/strict";
import { test } from "node:test";
import { escaped } from "../src/lib/picture.ts";

test("a text within XML has no markup and nothing that XML cannot have", () => {
  assert.equal(escaped('<b a="1">&'), "&lt;b a=&quot;1&quot;&gt;&amp;");
  assert.equal(escaped("a\0\x1b\ufffe\uffff\ud800b\udfff"), "a\ufffd\ufffd\ufffd\ufffd\ufffdb\ufffd");
});

test("every other character stays", () => {
  const text = "\t\n é שלום 👩‍🚀 \u{10ffff}\ufffd";
  assert.equal(escaped(text), text);
  assert.doesNotThrow(() => encodeURIComponent(escaped("\ud83d")));
});
