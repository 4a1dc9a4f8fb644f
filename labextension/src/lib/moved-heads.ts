/** How far each head moved: a square for each, and those that moved most. */

import { colorOf, css, sequential, type Span } from "./color.ts";
import { make } from "./elements.ts";
import { short } from "./numbers.ts";

export interface Head {
  layer: number;
  head: number;
}

interface Moved extends Head {
  value: number;
}

/** The heads that there are, those that moved most first. */
export function ranked(table: readonly (readonly (number | null)[])[]): Moved[] {
  const all = table.flatMap((row, layer) => row.map((value, head) => ({ layer, head, value })));
  return all.filter((each): each is Moved => each.value !== null).sort((one, other) => other.value - one.value);
}

/** A small square for each head, layers from top to bottom. */
export function gridOf(table: readonly (readonly (number | null)[])[], span: Span, dark: boolean, chosen: Head, choose: (head: Head) => void): HTMLElement {
  const colors = sequential(dark);
  const rows = table.map((row, layer) => {
    const cells = row.map((value, head) => {
      if (value === null) return make("span", { class: "gpt-cell" });
      const here = layer === chosen.layer && head === chosen.head;
      const cell = make("button", {
        type: "button",
        class: `gpt-cell${here ? " gpt-chosen" : ""}`,
        // One stop of the Tab key for all squares; the list below them has a button for each head that moved most.
        tabindex: -1,
        title: `${`L${layer} H${head}`}: ${short(value, 3)}`,
        "aria-label": `layer ${layer} head ${head}: ${short(value, 3)}`,
      });
      cell.style.background = css(colorOf(value, span, colors));
      cell.addEventListener("click", () => choose({ layer, head }));
      return cell;
    });
    return make("div", { class: "gpt-cells" }, make("span", { class: "gpt-faint-text gpt-layer" }, `L${layer}`), ...cells);
  });
  return make("div", { class: "gpt-moved" }, ...rows);
}
