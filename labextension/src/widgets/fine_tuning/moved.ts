/** Which heads' attention a checkpoint has moved from the base, on one text: a table by layer and head that opens their maps. */

import { Latest } from "../../lib/asking.ts";
import { sequential } from "../../lib/color.ts";
import { button, make, set } from "../../lib/elements.ts";
import { legend } from "../../lib/legend.ts";
import { gridOf, type Head, ranked } from "../../lib/moved-heads.ts";
import { isCancelled, messageOf, progressText } from "../../lib/notices.ts";
import { short } from "../../lib/numbers.ts";
import { visible } from "../../lib/text.ts";
import type { Context } from "./view.ts";

const SHOWN = 6;

/** Asks and shows; maps are opened in an element that has more room. `signal` ends it. */
export function movedHeads(
  { source, dark, onTheme, copy, failed }: Context,
  question: { step: number; text: string },
  maps: HTMLElement,
  signal: AbortSignal,
): HTMLElement {
  const latest = new Latest();
  const looking = new Latest();
  /** The head whose maps are open. */
  let opened = "";
  const end = (): void => {
    latest.end();
    looking.end();
    maps.replaceChildren();
  };
  signal.addEventListener("abort", end, { once: true });
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
      waits.textContent = messageOf(error);
      failed(error);
    },
  );

  function show(into: HTMLElement, table: readonly (readonly (number | null)[])[], code: string): void {
    const first = ranked(table).slice(0, SHOWN);
    const span = { low: 0, high: first[0]?.value || 1, log: false };
    const scale = legend();
    scale.show({ title: "Jensen-Shannon divergence, nats", span, scale: sequential(dark()) });
    const names = first.map(({ layer, head, value }) => {
      const says = `L${layer} H${head} ${short(value, 3)}`;
      const does = `look at layer ${layer} head ${head}, before and after`;
      if (source.maps === undefined) return `${says} `;
      const name = button(says, { does, press: () => look({ layer, head }) });
      set(name, { "data-head": headName({ layer, head }), "aria-pressed": String(opened === headName({ layer, head })) });
      return name;
    });
    into.replaceChildren(
      gridOf(table, span, dark(), { layer: -1, head: -1 }, source.maps === undefined ? () => copy(code) : look),
      scale.element,
      make("p", { class: "gpt-explains gpt-moved-most" }, "moved most: ", ...names),
      make("p", { class: "gpt-explains" }, source.maps === undefined ? "" : "A click on a head opens its maps below. In a cell of their own:"),
      button(code, { does: "copy this code, which opens the attention panel", class: "gpt-example", press: () => copy(code) }),
    );
  }

  /** Opens the attention panel at a head; one that is open already goes there. */
  function look(head: Head): void {
    opened = headName(head);
    element.querySelectorAll<HTMLElement>("[data-head]").forEach((name) => set(name, { "aria-pressed": String(name.dataset.head === opened) }));
    const panel = make("div", { class: "gpt-moved-maps" });
    maps.replaceChildren(make("p", { class: "gpt-explains", role: "status" }, "opening the maps …"));
    looking.run(
      (ending) => source.maps!({ ...question, ...head }, panel, { signal: ending }),
      () => {
        maps.replaceChildren(panel);
        maps.scrollIntoView({ block: "nearest" });
      },
      (error) => {
        maps.replaceChildren();
        failed(error);
      },
    );
  }
  return element;
}

function headName({ layer, head }: Head): string {
  return `${layer} ${head}`;
}
