/** One head taken apart for one query: q·k, scale, mask, softmax, and the sum of values, with their numbers. */

import { Endings, Latest } from "../../lib/asking.ts";
import { colorOf, css, diverging } from "../../lib/color.ts";
import { button, make, quoted, set } from "../../lib/elements.ts";
import { insteadOf } from "../../lib/notices.ts";
import { float32Text, grouped, short } from "../../lib/numbers.ts";
import { spoken, tokenElement } from "../../lib/text.ts";
import { headName, largest, queryOf, sidesOf } from "./chosen.ts";
import { type Arithmetic, arithmetic } from "./one-head.ts";
import type { Steps } from "./source.ts";
import type { Context, View } from "./view.ts";

/** Keys in the table: those of the largest weights; the chosen one, the first and one behind the mask come on top. */
const SHOWN = 8;
const NAMES = ["q · k", "scale", "mask", "softmax", "Σ w · v"];

export function stepsView(context: Context): View {
  const steps = new StepByStep(context);
  return { element: steps.element, destroy: () => steps.destroy() };
}

class StepByStep {
  readonly element: HTMLElement;
  #context: Context;
  #endings = new Endings();
  #latest = new Latest();
  #step = NAMES.length - 1;
  #found: { steps: Steps; sums: Arithmetic } | null = null;
  #title = make("span", { class: "gpt-says" });
  #sign = make("span", { class: "gpt-sign", title: "The steps are the model's own: here nothing is hidden, and no weight is divided by what is left" });
  #tabs = make("div", { class: "gpt-steps-tabs", role: "tablist", "aria-label": "steps" });
  #waits = make("p", { class: "gpt-explains gpt-late", role: "status", hidden: true });
  #body = make("div", { class: "gpt-steps-body" });

  constructor(context: Context) {
    this.#context = context;
    const head = make("div", { class: "gpt-view-head" }, this.#title, this.#sign);
    this.#sign.textContent = "all weights as they are, the first token's included";
    this.element = make("section", { class: "gpt-steps", "aria-label": "steps" }, head, this.#tabs, make("div", { class: "gpt-steps-page" }, this.#body, this.#waits));
    NAMES.forEach((name, index) => {
      const tab = button(`${index + 1} ${name}`, { does: `step ${index + 1}: ${name}`, press: () => this.#go(index) });
      set(tab, { role: "tab" });
      if (index > 0) this.#tabs.append(make("span", { class: "gpt-faint-text", "aria-hidden": "true" }, "→"));
      this.#tabs.append(tab);
    });
    this.#endings.listen(this.#tabs, "keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.#go(Math.max(0, Math.min(NAMES.length - 1, this.#step + by)));
      this.#tabs.querySelectorAll("button")[this.#step]?.focus();
    });
    const { store, onTheme } = context;
    this.#endings.add(
      store.on(["part", "layer", "head", "query"], () => this.#ask()),
      store.on(["key"], () => this.#show()),
      store.on(["hide_sink"], () => this.#showSign()),
      onTheme(() => this.#show()),
    );
    this.#showSign();
    this.#ask();
  }

  destroy(): void {
    this.#latest.end();
    this.#endings.end();
  }

  get #sides() {
    return sidesOf(this.#context.opened.info, this.#context.store.get().part);
  }

  #showSign(): void {
    this.#sign.hidden = !this.#context.store.get().hide_sink;
  }

  #go(step: number): void {
    this.#step = step;
    this.#show();
  }

  #ask(): void {
    const { store, source, failed } = this.#context;
    const { part, layer, head } = store.get();
    const query = queryOf(store.get(), this.#sides);
    this.#title.replaceChildren(`${headName({ layer, head })}, query `, quoted(this.#sides.queries[query]), ` (${query})`);
    const reads = (_done: number, total: number): void => {
      this.#waits.textContent = `reading the ${grouped(total)} tokens once more, for what this head hands on`;
    };
    this.#wait(true);
    this.#latest.run(
      (signal) => source.steps({ which: 0, part, layer, head, query }, reads, { signal }),
      (steps) => {
        this.#wait(false);
        this.#found = { steps, sums: arithmetic(steps) };
        this.#show();
      },
      (error) => {
        this.#wait(false);
        this.#found = null;
        this.#body.replaceChildren(insteadOf(error, failed));
      },
    );
  }

  /** What was found before stays, paler, under a line that says what takes so long after a moment (`tables.css`). */
  #wait(waits: boolean): void {
    this.#waits.hidden = !waits;
    this.#waits.textContent = "taking the head apart";
    this.#body.classList.toggle("gpt-waits", waits);
  }

  #show(): void {
    this.#tabs.querySelectorAll("button").forEach((tab, index) => set(tab, { "aria-selected": String(index === this.#step) }));
    if (this.#found === null) return;
    const { steps, sums } = this.#found;
    const chosen = this.#key(steps);
    this.#body.dataset.step = String(this.#step);
    this.#body.replaceChildren(
      make("p", { class: "gpt-explains", "aria-live": "polite" }, ...this.#explained(steps, sums)),
      this.#step === NAMES.length - 1 ? this.#outputOf(steps, sums) : this.#vectors(steps, sums, chosen),
      this.#table(steps, sums, chosen),
    );
  }

  /** The key whose product is spelled out: the chosen one, or the one with the largest weight. */
  #key({ weights }: Steps): number {
    const { key } = this.#context.store.get();
    return key !== null && key < weights.length ? key : (largest(weights, 1)[0] ?? 0);
  }

  /** What a step does, and whether our numbers are the model's. */
  #explained({ scaling, query, values, weights }: Steps, { difference }: Arithmetic): (string | Node)[] {
    const { queries } = this.#sides;
    const name = quoted(queries[queryOf(this.#context.store.get(), this.#sides)]);
    const same = (what: string, most: number): Node =>
      make("span", { class: "gpt-checks" }, `✓ equal to the model's ${what} (largest difference ${short(most)})`);
    const scale = scaling === null ? "a number that the model keeps to itself" : `${float32Text(scaling)}`;
    const root = scaling !== null && Math.abs(scaling - 1 / Math.sqrt(query.length)) < 1e-6 ? ` = 1/√${query.length}` : "";
    const scored: Node =
      difference.scores < 1e-2
        ? same("raw scores", difference.scores)
        : make("span", {}, `This model adds a bias, a cap or a term of its own here: up to ${short(difference.scores)}.`);
    const rest = 1 - weights.reduce((sum, weight) => sum + weight, 0);
    const weighed: Node =
      difference.weights < 1e-3
        ? same("weights", difference.weights)
        : make("span", {}, `This model has sinks of its own, which take ${short(rest)} of the weight.`);
    return [
      [
        ...["The query of ", name, ` times the key of each token: ${query.length} products, added up. `],
        "The more they point the same way, the larger.",
      ],
      [`Each sum times ${scale}${root}, so that they stay small enough for what follows. `, scored],
      ["Tokens that come later, or lie outside the window, get −∞: nobody looks ahead."],
      ["e to the power of each score, divided by their sum: weights from 0 to 1 that sum to 1. ", weighed],
      [
        `Each token's value times its weight, added up: ${values.columns} numbers that the head hands on. `,
        same("output", difference.output),
      ],
    ][this.#step]!;
  }

  /** Query and chosen key, their products, and the sum. */
  #vectors({ query, keys }: Steps, { products }: Arithmetic, chosen: number): HTMLElement {
    const row = keys.values.subarray(chosen * keys.columns, (chosen + 1) * keys.columns);
    const { queries, keys: tokens } = this.#sides;
    const at = queryOf(this.#context.store.get(), this.#sides);
    return make(
      "div",
      { class: "gpt-vectors" },
      ...this.#vector(`q “${spoken(queries[at])}”`, query),
      ...this.#vector(`k “${spoken(tokens[chosen])}”`, row),
      ...this.#vector("q × k", query.map((value, column) => value * row[column]!), `Σ = ${short(products[chosen]!, 4)}`),
    );
  }

  #outputOf({ output, values }: Steps, sums: Arithmetic): HTMLElement {
    const strongest = largest(this.#found!.steps.weights, 3);
    return make(
      "div",
      { class: "gpt-vectors" },
      ...strongest.flatMap((key) => {
        const value = values.values.subarray(key * values.columns, (key + 1) * values.columns);
        return this.#vector(`v “${spoken(this.#sides.keys[key])}”`, value, `× ${short(this.#found!.steps.weights[key]!)}`);
      }),
      ...this.#vector("Σ w · v", Float32Array.from(sums.output)),
      ...this.#vector("the model's", output),
    );
  }

  /** Numbers as coloured cells, with a name before and a word after them. */
  #vector(name: string, values: Float32Array, after = ""): HTMLElement[] {
    const most = values.reduce((larger, value) => Math.max(larger, Math.abs(value)), 0) || 1;
    const scale = diverging(this.#context.dark());
    const title = `${values.length} numbers from −${short(most)} (blue) to ${short(most)} (orange)`;
    const canvas = make("canvas", { class: "gpt-vector", width: values.length, height: 1, role: "img", title });
    const context = canvas.getContext("2d");
    values.forEach((value, column) => {
      if (context === null) return;
      context.fillStyle = css(colorOf(value, { low: -most, high: most, log: false }, scale));
      context.fillRect(column, 0, 1, 1);
    });
    const range = make("span", { class: "gpt-number gpt-faint-text" }, after || `± ${short(most)}`);
    return [make("span", { class: "gpt-vector-name" }, name), canvas, range];
  }

  #table(steps: Steps, sums: Arithmetic, chosen: number): HTMLElement {
    const { keys } = this.#sides;
    const shown = new Set([0, chosen, ...largest(steps.weights, SHOWN)]);
    const hidden = sums.masked.indexOf(true);
    if (hidden >= 0) shown.add(hidden);
    const most = steps.weights.reduce((larger, weight) => Math.max(larger, weight), 0) || 1;
    const rows = [...shown].sort((one, other) => one - other).map((key) => {
      const masked = sums.masked[key] ?? false;
      const bar = make("span", { class: "gpt-bar gpt-after" });
      bar.style.width = `${(100 * steps.weights[key]!) / most}%`;
      const number = (value: number, step: number): HTMLElement =>
        make("td", { class: `gpt-number gpt-step-${step}`, title: float32Text(value) }, value === -Infinity ? "−∞" : short(value, 3));
      const row = make(
        "tr",
        { "aria-selected": String(key === chosen), class: `gpt-clicks${masked ? " gpt-masked" : ""}` },
        make("th", { scope: "row" }, tokenElement(keys[key]!), make("span", { class: "gpt-faint-text" }, ` ${key}`)),
        number(sums.products[key]!, 0),
        number(sums.scaled[key]!, 1),
        number(steps.raw_scores[key]!, 2),
        number(steps.weights[key]!, 3),
        make("td", { class: "gpt-bars gpt-step-3" }, bar),
      );
      row.addEventListener("click", () => this.#context.store.set({ key }));
      return row;
    });
    const names = ["key", "q · k", "scaled", "model's score", "weight", ""];
    const head = names.map((name, index) =>
      make("th", { class: index === 0 ? "" : `gpt-number gpt-step-${Math.min(3, index - 1)}` }, name),
    );
    const left = keys.length - shown.size;
    const more = `${left} more keys have smaller weights, or none; Alt and a click on a token show its row`;
    return make(
      "div",
      {},
      make("table", { class: "gpt-table gpt-steps-table" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)),
      left > 0 ? make("p", { class: "gpt-faint-text" }, more) : null,
    );
  }
}
