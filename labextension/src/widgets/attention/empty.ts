/** What an empty panel shows: what it is for, and an example to click. */

import { button, make } from "./elements.ts";

export const EXAMPLE = "Once upon a time there was a little fox named Pip. Pip wanted to see the sea. One day Pip";

/** `copy` gets the code that shows the example. */
export function emptyState(count: number, copy: (code: string) => void): HTMLElement {
  const why =
    count === 0
      ? "There are no tokens here. Attention is how each token of a text looks back at the ones before it."
      : "One token alone has only itself to look at. Two or more make a pattern.";
  const press = (): void => copy(`gpt.AttentionPanel(${JSON.stringify(EXAMPLE)})`);
  return make(
    "div",
    { class: "gpt-empty" },
    make("p", {}, why),
    make("p", {}, "Copy this example into a cell: the last “Pip” looks for what came after the ones before it."),
    button(EXAMPLE, { does: "copy the code that shows this example", class: "gpt-example", press }),
  );
}
