/** The list of keys, over the panel. */

import { Endings } from "./asking.ts";
import { button, make } from "./elements.ts";
import { KEYS, WITHIN } from "./keys.ts";

export class Help {
  readonly element: HTMLElement;
  #endings = new Endings();
  #before: Element | null = null;
  #close: HTMLButtonElement;

  constructor() {
    this.#close = button("×", { does: "close", key: "Escape", class: "gpt-close", press: () => this.hide() });
    const rows = [...KEYS, ...WITHIN].map(({ shown, does }) => [make("dt", {}, make("kbd", {}, shown)), make("dd", {}, does)]);
    this.element = make(
      "div",
      { class: "gpt-help", role: "dialog", "aria-label": "keys", hidden: true },
      make("div", { class: "gpt-pane-title" }, "keys", this.#close),
      make("dl", {}, ...rows.flat()),
    );
    // Its only control keeps the focus until it is closed.
    this.#endings.listen(this.element, "keydown", (event) => {
      if (event.key === "Tab") event.preventDefault();
    });
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

  destroy(): void {
    this.#endings.end();
  }
}
