/** The list of keys, over the panel. */

import { button, make } from "./elements.ts";
import type { Explained } from "./keys.ts";

export class Help {
  readonly element: HTMLElement;
  #before: Element | null = null;
  #close: HTMLButtonElement;

  constructor(keys: readonly Explained[]) {
    this.#close = button("×", { does: "close", key: "Escape", class: "gpt-close", press: () => this.hide() });
    const rows = keys.map(({ shown, does }) =>
      make("div", { class: "gpt-help-key" }, make("dt", {}, make("kbd", {}, shown)), make("dd", {}, does)),
    );
    this.element = make(
      "div",
      { class: "gpt-help", role: "dialog", "aria-label": "keys", hidden: true },
      make("div", { class: "gpt-pane-title" }, "keys", this.#close),
      make("dl", {}, ...rows),
    );
  }

  get shown(): boolean {
    return !this.element.hidden;
  }

  show(): void {
    this.#before = document.activeElement;
    this.element.hidden = false;
    this.#close.focus({ preventScroll: true });
  }

  hide(): void {
    this.element.hidden = true;
    if (this.#before instanceof HTMLElement) this.#before.focus({ preventScroll: true });
  }

  /** Whether a key is kept from all else: while the list is open, those that neither close it nor are the browser's. */
  keeps(event: KeyboardEvent): boolean {
    const others = event.ctrlKey || event.metaKey || event.altKey || /^F\d+$/.test(event.key);
    if (!this.shown || others) return false;
    const presses = event.target === this.#close && (event.key === "Enter" || event.key === " ");
    return !presses && event.key !== "Escape" && event.key !== "?";
  }
}
