/** The values at the crosshair, or of the newest step: a place for each, which stays where it is while they change. */

import { make } from "../../lib/elements.ts";
import { visible } from "../../lib/text.ts";
import type { Value } from "./curves-content.ts";

interface Cell {
  element: HTMLElement;
  line: HTMLElement;
  name: HTMLElement;
  value: HTMLElement;
}

export class Readout {
  readonly element = make("div", { class: "gpt-values" });
  #cells: Cell[] = [];

  /** The same elements get other text, so that nothing moves. */
  show(values: readonly Value[]): void {
    while (this.#cells.length > values.length) this.#cells.pop()?.element.remove();
    values.forEach(({ name, text, color, dash = [] }, at) => {
      const cell = (this.#cells[at] ??= this.#added());
      cell.line.style.borderTop = color === null ? "" : `2px ${dash.length > 0 ? "dashed" : "solid"} ${color}`;
      cell.line.hidden = color === null;
      if (cell.name.textContent !== visible(name)) cell.name.textContent = visible(name);
      if (cell.value.textContent !== text) cell.value.textContent = text;
    });
  }

  #added(): Cell {
    const [line, name, value] = ["gpt-key-line", "gpt-faint-text", "gpt-number"].map((part) => make("span", { class: part }));
    const element = make("span", { class: "gpt-value-cell" }, line!, name!, value!);
    this.element.append(element);
    return { element, line: line!, name: name!, value: value! };
  }
}
