import assert from "node:assert/strict";
import { test } from "node:test";
import { assign, h } from "../src/lib/dom.ts";

class FakeElement extends EventTarget {
  readonly attributes = new Map<string, string>();
  readonly children: unknown[] = [];

  constructor(readonly tag: string) {
    super();
  }

  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }

  removeAttribute(name: string): void {
    this.attributes.delete(name);
  }

  append(...children: unknown[]): void {
    this.children.push(...children);
  }
}

Object.assign(globalThis, { document: { createElement: (tag: string) => new FakeElement(tag) } });

test("attributes that are false, null or undefined are left out", () => {
  const element = h("button", { class: "gpt-x", disabled: true, hidden: false, title: null, "aria-label": undefined, tabindex: 0 });
  const { attributes } = element as unknown as FakeElement;
  assert.deepEqual([...attributes], [["class", "gpt-x"], ["disabled", ""], ["tabindex", "0"]]);
  assign(element, "class", null);
  assert.equal(attributes.has("class"), false);
});

test("children that are null or false are left out", () => {
  const child = h("b");
  const element = h("p", {}, "text", null, false, child) as unknown as FakeElement;
  assert.deepEqual(element.children, ["text", child]);
});

test("listeners end with their signal", () => {
  const ending = new AbortController();
  const heard: string[] = [];
  const button = h("button", { onclick: () => heard.push("click"), signal: ending.signal });
  const events = () => button.dispatchEvent(new Event("click"));
  events();
  ending.abort();
  events();
  assert.deepEqual(heard, ["click"]);
  assert.equal((button as unknown as FakeElement).attributes.size, 0);
});
