/** What a panel without data and without a job shows: what it is for, and an example to copy. */

import { button, make } from "../../lib/elements.ts";

/** Code that shows a panel which can be started at once. */
export const EXAMPLE =
  'gpt.FineTuningPanel([{"prompt": "The king said", "completion": " that he would not go."}, ' +
  '{"prompt": "The queen said", "completion": " that he must."}])';

/** `copy` gets the code that shows the example. */
export function emptyState(copy: (code: string) => void): HTMLElement {
  return make(
    "div",
    { class: "gpt-empty" },
    make("p", {}, "There are no data here. Fine-tuning shows a model texts like those that it should write, until it writes like them."),
    make("p", {}, "Copy this example into a cell, or give the panel a DataFrame, a file or the name of a job:"),
    button(EXAMPLE, { does: "copy this code", class: "gpt-example", press: () => copy(EXAMPLE) }),
  );
}
