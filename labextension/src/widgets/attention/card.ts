/** The chosen token: what it attends to most, and what attends to it most. */

import { Endings, Latest } from "../../lib/asking.ts";
import { make, quoted } from "../../lib/elements.ts";
import { insteadOf } from "../../lib/notices.ts";
import { short } from "../../lib/numbers.ts";
import { label, tokenElement } from "../../lib/text.ts";
import type { Token } from "../../protocol.ts";
import { chosenOf, largest, madeOf, sidesOf, weightsOf } from "./chosen.ts";
import type { State } from "./state.ts";
import type { Context, View } from "./view.ts";

const SHOWN = 5;

type Direction = State["direction"];

export function cardView(context: Context): View {
  const { store, source, opened, failed, hover, made } = context;
  const title = make("h3", { class: "gpt-pane-title" });
  const lists: Record<Direction, HTMLElement> = { to: make("div"), by: make("div") };
  const element = make("div", { class: "gpt-card" }, title, lists.to, lists.by);
  const endings = new Endings();
  const latest = { to: new Latest(), by: new Latest() };

  const show = (direction: Direction, weights: Float32Array, tokens: readonly Token[], position: number): void => {
    const rows = largest(weights, SHOWN).map((other) => {
      const token = tokens[other]!;
      const weight = weights[other]!;
      const bar = make("span", { class: "gpt-bar gpt-after" });
      bar.style.width = `${100 * weight}%`;
      const row = make(
        "tr",
        { title: `${label(token)} (${other}) ${short(weight, 4)}`, class: "gpt-clicks" },
        make("td", {}, tokenElement(token), make("span", { class: "gpt-faint-text" }, ` ${other}`)),
        make("td", { class: "gpt-bars" }, bar),
        make("td", { class: "gpt-number" }, short(weight)),
      );
      const ends = direction === "to" ? { query: position, key: other } : { query: other, key: position };
      row.addEventListener("pointerenter", () => hover.set(ends));
      row.addEventListener("pointerleave", () => hover.set({ query: null, key: null }));
      row.addEventListener("click", () => store.set(ends));
      return row;
    });
    const name = direction === "to" ? "attends to" : "attended by";
    const nothing = rows.length > 0 ? null : make("p", { class: "gpt-explains" }, "nothing but the first token, which is hidden");
    lists[direction].replaceChildren(
      make("table", { class: "gpt-table" }, make("caption", {}, name), make("tbody", {}, ...rows)),
      ...(nothing === null ? [] : [nothing]),
    );
  };

  const ask = (): void => {
    const state = store.get();
    const sides = sidesOf(opened.info, state.part);
    const { tokens, position } = chosenOf(state, sides);
    const token = madeOf(context);
    const row = make("bdi", {}, label(tokens[position]));
    if (token === null) title.replaceChildren("at ", quoted(tokens[position]), ` (${position})`);
    else title.replaceChildren(make("span", {}, "when ", quoted(tokens[token]), ` (${token}) was made (row of `, row, ` ${position})`));
    const own = sides.queries === sides.keys;
    let said = false;
    for (const direction of ["to", "by"] as const) {
      const shown = token === null ? own || direction === state.direction : direction === "to";
      lists[direction].hidden = !shown;
      if (!shown) continue;
      // Where a text attends to itself, one token is asked about in both directions.
      const asked: State = { ...state, direction, query: position, key: position };
      latest[direction].run(
        (signal) => weightsOf(source, asked, sides, [{ layer: state.layer, head: state.head }], { signal }),
        ({ heads }) => show(direction, heads[0]!, direction === "to" ? sides.keys : sides.queries, position),
        (error) => {
          // Once is enough for both.
          lists[direction].replaceChildren(...(said ? [] : [insteadOf(error, failed)]));
          said = true;
        },
      );
    }
  };
  endings.add(
    store.on(["part", "layer", "head", "query", "key", "direction", "hide_sink"], ask),
    made.on(["token"], ask),
    () => latest.to.end(),
    () => latest.by.end(),
  );
  ask();
  return { element, destroy: () => endings.end() };
}
