/** Two attentions compared: how much each head moved; a chosen head is shown beside the same head of the other. */

import { Endings, Latest } from "../../lib/asking.ts";
import { sequential } from "../../lib/color.ts";
import { button, make } from "../../lib/elements.ts";
import { legend } from "../../lib/legend.ts";
import { codeOfError, insteadOf } from "../../lib/notices.ts";
import { gridOf, ranked } from "../../lib/moved-heads.ts";
import { short } from "../../lib/numbers.ts";
import { visible } from "../../lib/text.ts";
import { headName, modelName, otherName } from "./chosen.ts";
import type { Table } from "./source.ts";
import type { Head } from "./state.ts";
import type { Context, View } from "./view.ts";

export const NOTHING_TO_COMPARE = "There is nothing to compare with: give the panel two texts, models or adapters.";

const SHOWN = 12;

export function diffView(context: Context): View {
  const { store, source, opened, failed, dark, onTheme } = context;
  const element = make("div", { class: "gpt-diff" });
  const endings = new Endings();
  const latest = new Latest();
  const scale = legend();
  let table: Table | null = null;

  const choose = ({ layer, head }: Head): void => store.set({ layer, head, pinned: { layer, head, which: 1 }, view: "matrix" });

  const show = (): void => {
    if (table === null) return;
    const moved = ranked(table);
    const span = { low: 0, high: moved[0]?.value || 1, log: store.get().log };
    scale.show({ title: "moved, nats", span, scale: sequential(dark()) });
    const { layer, head } = store.get();
    const same = opened.other?.model === opened.info.model;
    const rows = moved.slice(0, SHOWN).map((each) => {
      const bar = make("span", { class: "gpt-bar gpt-after" });
      bar.style.width = `${(100 * each.value) / span.high}%`;
      const name = button(headName(each), { does: `show layer ${each.layer} head ${each.head} of both`, press: () => choose(each) });
      const here = each.layer === layer && each.head === head;
      return make(
        "tr",
        { "aria-selected": here },
        make("th", { scope: "row" }, name),
        make("td", { class: "gpt-bars" }, bar),
        make("td", { class: "gpt-number" }, short(each.value, 3)),
      );
    });
    element.replaceChildren(
      make(
        "p",
        { class: "gpt-explains", title: visible(`${opened.other!.model}, ${opened.info.model}`) },
        `how far each head of ${otherName(opened)} is from ${same ? "this one" : modelName(opened.info)}: Jensen-Shannon divergence, 0 to 0.69`,
      ),
      gridOf(table, span, dark(), { layer, head }, choose),
      scale.element,
      make("table", { class: "gpt-table" }, make("tbody", {}, ...rows)),
    );
  };

  const ask = (): void => {
    if (opened.other === null) {
      element.replaceChildren(make("p", { class: "gpt-explains" }, NOTHING_TO_COMPARE));
      return;
    }
    const waits = make("p", { class: "gpt-explains" }, "comparing the heads");
    element.replaceChildren(waits);
    latest.run(
      (signal) =>
        source.diff(
          { part: store.get().part },
          (done, total) => (waits.textContent = `comparing the heads: ${done} of ${total}`),
          { signal },
        ),
      (found) => {
        table = found;
        show();
      },
      (error) => {
        const refused = codeOfError(error) === "invalid_request" && error instanceof Error;
        element.replaceChildren(refused ? make("p", { class: "gpt-explains" }, error.message) : insteadOf(error, failed));
      },
    );
  };
  endings.add(store.on(["part"], ask), store.on(["layer", "head", "log"], show), onTheme(show), () => latest.end());
  ask();
  return { element, destroy: () => endings.end() };
}
