/** A cell in words: its tokens and its weight, exact as soon as that is there. */

import { make } from "../../lib/elements.ts";
import { spoken } from "../../lib/text.ts";
import type { HeadPlot } from "./matrix-plot.ts";

export interface Chosen {
  query: number;
  key: number;
}

/** Shows it in an element; null: nothing is pointed at or chosen. */
export function showCell(element: HTMLElement, cell: Chosen | null, plots: readonly HeadPlot[]): void {
  const first = plots[0];
  if (!cell || !first) {
    element.textContent = "Point at a cell to read its weight";
    return;
  }
  const { queries, keys } = first.sides;
  const token = (tokens: typeof keys, position: number) => make("bdi", { class: "gpt-code" }, spoken(tokens[position]));
  const values = plots.map((plot) => plot.valueText(cell.query, cell.key));
  element.replaceChildren(
    ...["query ", token(queries, cell.query), ` ${cell.query} → key `, token(keys, cell.key), ` ${cell.key}  `],
    make("b", { class: "gpt-code" }, values.join(" and ")),
  );
}

/** The same for a screen reader. */
export function sayCell({ query, key }: Chosen, plot: HeadPlot): string {
  const { queries, keys } = plot.sides;
  const weight = plot.valueText(query, key).replace("≈", "about");
  return `query ${spoken(queries[query])} ${query}, key ${spoken(keys[key])} ${key}, weight ${weight}`;
}
