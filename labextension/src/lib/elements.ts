/** The controls of the panel: each tells what it does, and which key does the same. */

import { assign, h } from "./dom.ts";
import { spoken } from "./text.ts";
import type { Token } from "../protocol.ts";

export { h as make };

/** A token's text as one quotes it, isolated so that right-to-left text moves nothing around it. */
export function quoted(token: Token | undefined): HTMLElement {
  return h("bdi", { class: "gpt-quoted" }, `“${spoken(token)}”`);
}

export function set(element: Element, attributes: Record<string, string | number | boolean>): void {
  for (const [name, value] of Object.entries(attributes)) assign(element, name, value);
}

export interface ButtonOptions {
  /** What it does: tooltip, and label for a screen reader. */
  does: string;
  /** The key that does the same. */
  key?: string;
  class?: string;
  press(event: MouseEvent): void;
}

export function button(text: string, options: ButtonOptions): HTMLButtonElement {
  const { does, key, press } = options;
  const names = options.class === undefined ? "gpt-button" : `gpt-button ${options.class}`;
  return h("button", { type: "button", class: names, ...told(does, key), onclick: press }, text);
}

/** The attributes that tell what a control does and which key does the same. */
export function told(does: string, key?: string): Record<string, string> {
  if (key === undefined) return { title: does, "aria-label": does };
  const upper = key.length === 1 && key !== key.toLowerCase();
  return { title: `${does} (${key})`, "aria-label": does, "aria-keyshortcuts": upper ? `Shift+${key}` : key };
}
