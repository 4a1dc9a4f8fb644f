/** A menu that opens below its button, and closes with a click elsewhere. */

import { Endings } from "./asking.ts";
import { make, told } from "./elements.ts";

export interface Menu {
  element: HTMLDetailsElement;
  /** Closes it; whether it was open. */
  close(): boolean;
  destroy(): void;
}

/** `fill` makes what is in it whenever it is opened; it may close the menu. */
export function menu(text: string, does: string, fill: (close: () => void) => (Node | string)[], key?: string): Menu {
  const endings = new Endings();
  const body = make("div", { class: "gpt-menu-body" });
  const summary = make("summary", { class: "gpt-button", ...told(does, key) }, text);
  const element = make("details", { class: "gpt-menu" }, summary, body);
  const close = (): boolean => {
    const { open } = element;
    // What is hidden with the focus in it would lose the panel's keys.
    if (open && element.contains(document.activeElement)) summary.focus({ preventScroll: true });
    element.open = false;
    return open;
  };
  endings.listen(element, "toggle", () => {
    body.replaceChildren(...(element.open ? fill(() => void close()) : []));
    if (element.open) body.querySelector<HTMLElement>("input, button, select, textarea")?.focus({ preventScroll: true });
  });
  endings.listen(document, "pointerdown", (event) => {
    if (!element.contains(event.target as Node)) element.open = false;
  });
  return { element, close, destroy: () => endings.end() };
}
