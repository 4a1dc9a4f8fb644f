/** Which heads' attention a checkpoint has moved from the base, on one text: a table by layer and head, and code to look closer. */

import { Latest } from "../../lib/asking.ts";
import { sequential } from "../../lib/color.ts";
import { button, make } from "../../lib/elements.ts";
import { legend } from "../../lib/legend.ts";
import { gridOf, ranked } from "../../lib/moved-heads.ts";
import { isCancelled, progressText } from "../../lib/notices.ts";
import { short } from "../../lib/numbers.ts";
import { visible } from "../../lib/text.ts";
import { stepName } from "./model-strings.ts";
import type { Context } from "./view.ts";

const SHOWN = 6;

/** Asks and shows; `signal` ends it. */
export function movedHeads(
  { source, dark, onTheme, copy, failed }: Context,
  question: { step: number; text: string },
  signal: AbortSignal,
): HTMLElement {
  const latest = new Latest();
  signal.addEventListener("abort", () => latest.end(), { once: true });
  const waits = make("p", { class: "gpt-explains", role: "status" }, "reading the text with both …");
  const quoted = make("bdi", {}, `“${visible(question.text)}”`);
  const about = make("p", { class: "gpt-explains" }, "how far each head’s attention is from the base’s, on ", quoted);
  const element = make("div", { class: "gpt-moved-heads" }, about, waits);
  latest.run(
    (ending) => source.moved(question, (progress) => (waits.textContent = progressText(progress)), { signal: ending }),
    ({ table, code }) => {
      const answered = make("div", { class: "gpt-moved-heads" });
      waits.replaceWith(answered);
      show(answered, table, code);
      signal.addEventListener("abort", onTheme(() => show(answered, table, code)), { once: true });
    },
    (error) => {
      if (isCancelled(error)) return;
      waits.textContent = error instanceof Error ? error.message : String(error);
      failed(error);
    },
  );

  function show(into: HTMLElement, table: readonly (readonly (number | null)[])[], code: string): void {
    const first = ranked(table).slice(0, SHOWN);
    const span = { low: 0, high: first[0]?.value || 1, log: false };
    const scale = legend();
    scale.show({ title: "Jensen-Shannon divergence, nats", span, scale: sequential(dark()) });
    const words = first.map(({ layer, head, value }) => `L${layer} H${head} ${short(value, 3)}`).join(", ");
    const open = (): void => copy(code);
    into.replaceChildren(
      gridOf(table, span, dark(), { layer: -1, head: -1 }, open),
      scale.element,
      make("p", { class: "gpt-explains" }, `moved most: ${words}`),
      make("p", { class: "gpt-explains" }, `To look at the maps of ${stepName(question.step)} and the base, run this in a cell:`),
      button(code, { does: "copy this code, which opens the attention panel", class: "gpt-example", press: open }),
    );
  }
  return element;
}
