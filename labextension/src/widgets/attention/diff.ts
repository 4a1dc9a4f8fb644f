/** Two attentions compared: how much each head moved; a chosen head is shown beside the same head of the other. */

import { colorOf, css, sequential, type Span } from "../../lib/color.ts";
import { legend } from "../../lib/legend.ts";
import { short } from "../../lib/numbers.ts";
import { visible } from "../../lib/text.ts";
import { Endings, Latest } from "./asking.ts";
import { headName, modelName, otherName } from "./chosen.ts";
import { button, make } from "./elements.ts";
import { codeOfError, insteadOf } from "./notices.ts";
import type { Table } from "./source.ts";
import type { Head } from "./state.ts";
import type { Context, View } from "./view.ts";

export const NOTHING_TO_COMPARE = "There is nothing to compare with: give the panel two texts, models or adapters.";

const SHOWN = 12;

interface Moved extends Head {
  value: number;
}

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

/** The heads that there are, those that moved most first. */
export function ranked(table: Table): Moved[] {
  const all = table.flatMap((row, layer) => row.map((value, head) => ({ layer, head, value })));
  return all.filter((each): each is Moved => each.value !== null).sort((one, other) => other.value - one.value);
}

/** A small square for each head, layers from top to bottom. */
function gridOf(table: Table, span: Span, dark: boolean, chosen: Head, choose: (head: Head) => void): HTMLElement {
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
        title: `${headName({ layer, head })}: ${short(value, 3)}`,
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
