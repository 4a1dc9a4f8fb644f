/**
 * What each head of the layer looked at: the token that got most of its weight.
 *
 * A token that the model wrote was made at the token before it, so it is that one's attention that is shown.
 */

import { Endings, Latest } from "../../lib/asking.ts";
import { button, make, quoted } from "../../lib/elements.ts";
import { insteadOf } from "../../lib/notices.ts";
import { short } from "../../lib/numbers.ts";
import { label, tokenElement } from "../../lib/text.ts";
import { largest, madeOf, partOf, queryOf, sidesOf, weightsOf } from "./chosen.ts";
import type { Context, View } from "./view.ts";

export function eachHeadView(context: Context): View {
  const { store, source, opened, failed } = context;
  const summary = make("summary");
  const body = make("div");
  const element = make("details", { class: "gpt-each" }, summary, body);
  const endings = new Endings();
  const latest = new Latest();
  const generated = opened.generated ?? null;
  element.open = generated !== null;

  const show = (weights: Float32Array[]): void => {
    const { part, layer, head } = store.get();
    const { keys } = sidesOf(opened.info, part);
    const rows = weights.map((row, index) => {
      const most = largest(row, 1)[0];
      const seen =
        most === undefined ? ["–"] : [tokenElement(keys[most]!), make("span", { class: "gpt-faint-text" }, ` ${most}`)];
      const title =
        most === undefined ? "nothing but the first token" : `${label(keys[most])} (${most}) ${short(row[most]!, 4)}`;
      const name = button(`H${index}`, { does: `show layer ${layer} head ${index}`, press: () => store.set({ head: index }) });
      const bar = make("span", { class: "gpt-bar gpt-after" });
      bar.style.width = `${100 * (most === undefined ? 0 : row[most]!)}%`;
      return make(
        "tr",
        { "aria-selected": String(index === head), title },
        make("th", { scope: "row" }, name),
        make("td", {}, ...seen),
        make("td", { class: "gpt-bars" }, bar),
        make("td", { class: "gpt-number" }, most === undefined ? "" : short(row[most]!)),
      );
    });
    body.replaceChildren(make("table", { class: "gpt-table" }, make("tbody", {}, ...rows)));
  };

  const ask = (): void => {
    const state = store.get();
    const sides = sidesOf(opened.info, state.part);
    const position = madeOf(context) ?? queryOf(state, sides);
    const made = generated !== null && state.part === "decoder" && position >= Math.max(1, generated);
    const query = made ? position - 1 : position;
    const row = make("bdi", {}, label(sides.queries[query]));
    const when = made ? [" looked at when ", quoted(sides.queries[position]), " was made (row of ", row, ` ${query})`] : [" attends to"];
    summary.replaceChildren(`what each head of layer ${state.layer}`, ...when);
    element.hidden = state.direction === "by";
    latest.end();
    if (!element.open || element.hidden) return;
    const count = partOf(opened.info, state.part).heads[state.layer] ?? 0;
    const heads = Array.from({ length: count }, (_, head) => ({ layer: state.layer, head }));
    latest.run(
      (signal) => weightsOf(source, { ...state, query }, sides, heads, { signal }),
      (weights) => show(weights.heads),
      (error) => body.replaceChildren(insteadOf(error, failed)),
    );
  };
  const mark = (): void => {
    const { head } = store.get();
    body.querySelectorAll("tr").forEach((row, index) => row.setAttribute("aria-selected", String(index === head)));
  };
  endings.listen(element, "toggle", ask);
  endings.add(store.on(["part", "layer", "query", "direction", "hide_sink"], ask), context.made.on(["token"], ask), store.on(["head"], mark), () => latest.end());
  ask();
  return { element, destroy: () => endings.end() };
}
