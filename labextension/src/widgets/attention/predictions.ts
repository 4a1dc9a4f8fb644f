/** Predicted tokens as bars, for the views that show them. */

import { make } from "../../lib/elements.ts";
import { percent } from "../../lib/numbers.ts";
import { label, tokenElement } from "../../lib/text.ts";
import type { Token } from "../../protocol.ts";

export function probabilityOf(token: Token): number {
  return token.logprob === null ? 0 : Math.exp(token.logprob);
}

/** A token with its probability, as a cell that is filled as far as it is probable. */
export function barCell(token: Token | undefined, marked: boolean): HTMLTableCellElement {
  if (token === undefined) return make("td");
  const share = probabilityOf(token);
  const bar = make("span", { class: "gpt-bar gpt-fill" });
  bar.style.width = `${100 * share}%`;
  return make(
    "td",
    { class: `gpt-bar-cell${marked ? " gpt-marked" : ""}`, title: `${label(token)} ${percent(share)}` },
    bar,
    make(
      "div",
      { class: "gpt-bar-line" },
      make("span", { class: "gpt-bar-token" }, tokenElement(token)),
      make("span", { class: "gpt-number" }, percent(share)),
    ),
  );
}
