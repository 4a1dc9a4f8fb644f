/** What an empty panel shows: what it is for, and an example to copy. Its twin in Python is `_empty.py`. */

import { button, make } from "../../lib/elements.ts";

/** Code that shows a panel worth a look. */
export const EXAMPLE =
  'gpt.AttentionPanel("Once upon a time there was a little fox named Pip. Pip wanted to see the sea. One day Pip")';

/** `copy` gets the code that shows the example. */
export function emptyState(count: number, copy: (code: string) => void): HTMLElement {
  const why =
    count === 0
      ? "There are no tokens here. Attention is how each token of a text looks back at the ones before it."
      : "One token alone has only itself to look at. Two or more make a pattern.";
  return make(
    "div",
    { class: "gpt-empty" },
    make("p", {}, why),
    make("p", {}, "Copy this example into a cell: the last “Pip” looks for what came after the ones before it."),
    button(EXAMPLE, { does: "copy this code", class: "gpt-example", press: () => copy(EXAMPLE) }),
  );
}
