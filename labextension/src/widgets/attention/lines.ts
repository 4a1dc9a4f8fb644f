/** The text with lines from the chosen token to those it attends to: of one head, of several, or of a layer's mean. */

import { Endings, Latest } from "../../lib/asking.ts";
import { type Frame, Surface } from "../../lib/canvas.ts";
import { sequential, type Span } from "../../lib/color.ts";
import { button, make, quoted } from "../../lib/elements.ts";
import { legend } from "../../lib/legend.ts";
import { short } from "../../lib/numbers.ts";
import { chosenOf, headName, largest, lineHeads, partOf, sidesOf, weightsOf } from "./chosen.ts";
import type { Head } from "./state.ts";
import { TokenList } from "./token-list.ts";
import type { Context, View } from "./view.ts";

/** Lines of one head; more would hide each other. */
const MOST = 32;
const THICK = 6;
/** Okabe and Ito's colours (2008), which stay apart for colour-blind readers: a chosen head, a pinned one, and those kept. */
const COLORS = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"],
  dark: ["#56b4e9", "#e69f00", "#3fcf9f", "#e5a3c8", "#8ecdf5", "#f0e442"],
};
/** As many may be kept. */
const MOST_KEPT = 4;

export function linesView(context: Context): View {
  const lines = new Lines(context);
  return { element: lines.element, resize: () => lines.resize(), destroy: () => lines.destroy() };
}

class Lines {
  readonly element: HTMLElement;
  #context: Context;
  #endings = new Endings();
  #latest = new Latest();
  #weights: Float32Array[] = [];
  #heads = make("span", { class: "gpt-chips" });
  #scroll = make("div", { class: "gpt-lines-text" });
  #frame = make("div", { class: "gpt-lines" });
  #legend = legend();
  #says = make("span", { class: "gpt-says" });
  #surface: Surface;
  #to!: TokenList;
  #by!: TokenList;

  constructor(context: Context) {
    this.#context = context;
    const over = make("div", { class: "gpt-overlay", "aria-hidden": "true" });
    this.#frame.append(this.#scroll, over);
    this.element = make(
      "section",
      { class: "gpt-lines-view", "aria-label": "lines" },
      make("div", { class: "gpt-view-head" }, this.#says, this.#heads),
      this.#frame,
      make("div", { class: "gpt-view-foot" }, this.#legend.element),
    );
    this.#surface = new Surface(over, (frame) => this.#draw(frame));
    this.#build();
    const { store, hover, onTheme } = context;
    this.#endings.add(
      store.on(["part"], () => this.#build()),
      store.on(["part", "layer", "head", "pinned", "query", "key", "direction", "hide_sink", "kept", "layer_mean"], () => this.#ask()),
      store.on(["shading"], () => this.#showHeads()),
      store.on(["log", "shading"], () => this.#paint()),
      hover.on(["query", "key"], () => this.#surface.redraw()),
      onTheme(() => this.#paint()),
    );
    this.#endings.listen(this.#scroll, "scroll", () => this.#surface.redraw(), { passive: true });
    this.#endings.listen(this.#scroll, "click", (event) => this.#click(event));
    this.#endings.listen(this.#scroll, "pointermove", (event) => this.#point(event));
    this.#endings.listen(this.#scroll, "pointerleave", () => hover.set({ query: null, key: null }));
    this.#ask();
  }

  resize(): void {
    this.#surface.redraw();
  }

  destroy(): void {
    this.#latest.end();
    this.#surface.destroy();
    this.#endings.end();
  }

  get #sides() {
    return sidesOf(this.#context.opened.info, this.#context.store.get().part);
  }

  /** The heads whose weights are shown, or of which the mean is. */
  get #wanted(): Head[] {
    const state = this.#context.store.get();
    const { heads } = partOf(this.#context.opened.info, state.part);
    if (state.layer_mean) return Array.from({ length: heads[state.layer] ?? 0 }, (_, head) => ({ layer: state.layer, head }));
    return lineHeads(state).filter(({ layer, head }) => head < (heads[layer] ?? 0));
  }

  get #colors(): string[] {
    return this.#context.dark() ? COLORS.dark : COLORS.light;
  }

  #build(): void {
    const { queries, keys } = this.#sides;
    const generated = this.#context.opened.generated ?? null;
    this.#to = new TokenList(queries, "the text", generated);
    this.#by = queries === keys ? this.#to : new TokenList(keys, "the text that is attended to", null);
    this.#scroll.replaceChildren(...(queries === keys ? [] : [this.#by.element]), this.#to.element);
  }

  #ask(): void {
    const { store, source, failed } = this.#context;
    const state = store.get();
    const { tokens, position } = chosenOf(state, this.#sides);
    const list = state.direction === "to" ? this.#to : this.#by;
    if (this.#to !== this.#by) (state.direction === "to" ? this.#by : this.#to).choose(null);
    list.choose(position);
    list.reveal(position, this.#scroll);
    this.#by.hideSink(state.hide_sink);
    const verb = state.direction === "to" ? "attends to" : "is attended by";
    this.#says.replaceChildren("what ", quoted(tokens[position]), ` ${verb} in`);
    this.#showHeads();
    const heads = this.#wanted;
    this.#latest.run(
      (signal) => weightsOf(source, state, this.#sides, heads, { signal }),
      (weights) => {
        this.#weights = state.layer_mean ? [meanOf(weights.heads)] : weights.heads;
        this.#paint();
      },
      (error) => {
        this.#weights = [];
        this.#paint();
        failed(error);
      },
    );
  }

  #showHeads(): void {
    const { store } = this.#context;
    const { layer, head, kept, layer_mean, shading } = store.get();
    const toggle = (text: string, does: string, on: boolean, press: () => void): HTMLElement => {
      const element = button(text, { does, press });
      element.setAttribute("aria-pressed", String(on));
      return element;
    };
    const isKept = (each: Head): boolean => kept.some(([l, h]) => l === each.layer && h === each.head);
    const letGo = (each: Head): void => store.set({ kept: kept.filter(([l, h]) => l !== each.layer || h !== each.head) });
    const chips = layer_mean
      ? [make("span", { class: "gpt-chip-head" }, `mean of layer ${layer}`)]
      : this.#wanted.map((each, index) => {
          const does = `take layer ${each.layer} head ${each.head} away`;
          const chip = isKept(each)
            ? button(`${headName(each)} ×`, { does, press: () => letGo(each) })
            : make("span", { class: "gpt-chip-head" }, headName(each));
          chip.style.setProperty("--gpt-line-color", this.#colors[index]!);
          chip.classList.add("gpt-colored");
          return chip;
        });
    const keep = button("+ keep", {
      does: "keep this head while others are chosen",
      press: () => store.set({ kept: [...kept, [layer, head]] }),
    });
    this.#heads.replaceChildren(
      ...chips,
      ...(layer_mean || isKept({ layer, head }) || kept.length >= MOST_KEPT ? [] : [keep]),
      toggle("layer mean", "the mean of all heads of the layer", layer_mean, () => store.set({ layer_mean: !layer_mean })),
      toggle("shading", "shade the tokens instead of drawing lines", shading, () => store.set({ shading: !shading })),
    );
  }

  get #span(): Span {
    const high = this.#weights.reduce((most, weights) => weights.reduce((larger, weight) => Math.max(larger, weight), most), 0);
    return { low: 0, high: high > 0 ? high : 1, log: this.#context.store.get().log };
  }

  #paint(): void {
    const dark = this.#context.dark();
    const span = this.#span;
    const colored = this.#context.store.get().direction === "to" ? this.#by : this.#to;
    const other = colored === this.#to ? this.#by : this.#to;
    if (other !== colored) other.paint(null, span, dark);
    const { shading } = this.#context.store.get();
    colored.paint(shading ? meanOf(this.#weights) : null, span, dark);
    this.#frame.classList.toggle("gpt-shading", shading);
    const several = this.#weights.length > 1 && shading ? `mean of ${this.#weights.length} heads` : "weight";
    this.#legend.show({ title: shading ? several : `line width: weight up to ${short(span.high)}`, span, scale: sequential(dark) });
    this.#legend.element.classList.toggle("gpt-words-only", !shading);
    this.#surface.redraw();
  }

  #draw({ context, width, height }: Frame): void {
    const { store, hover } = this.#context;
    const state = store.get();
    if (state.shading) return;
    const { position } = chosenOf(state, this.#sides);
    const [from, to] = state.direction === "to" ? [this.#to, this.#by] : [this.#by, this.#to];
    const origin = this.#frame.getBoundingClientRect();
    const start = from.box(position);
    if (start === null) return;
    const span = this.#span;
    const marked = state.direction === "to" ? hover.get().key : hover.get().query;
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    context.lineCap = "round";
    this.#weights.forEach((weights, index) => {
      context.strokeStyle = this.#colors[index]!;
      // The weakest first, so that the strongest lie on top.
      for (const other of largest(weights, MOST).reverse()) {
        const share = (weights[other] ?? 0) / span.high;
        const seen = span.log ? Math.log1p(255 * share) / Math.log1p(255) : share;
        const box = to.box(other);
        if (box === null || seen < 0.01) continue;
        context.globalAlpha = marked === null ? 0.2 + 0.7 * seen : other === marked ? 1 : 0.15;
        context.lineWidth = Math.max(0.75, THICK * seen);
        curve(context, start, box, origin, index * 3);
      }
    });
    context.restore();
  }

  #click(event: MouseEvent): void {
    const to = this.#to.at(event);
    const by = this.#by.at(event);
    const { direction } = this.#context.store.get();
    const own = this.#to === this.#by;
    if (own && to !== null) this.#context.store.set(direction === "to" ? { query: to } : { key: to });
    else if (to !== null) this.#context.store.set({ query: to, direction: "to" });
    else if (by !== null) this.#context.store.set({ key: by, direction: "by" });
  }

  #point(event: PointerEvent): void {
    const { store, hover } = this.#context;
    const state = store.get();
    const { position } = chosenOf(state, this.#sides);
    const other = (state.direction === "to" ? this.#by : this.#to).at(event);
    if (other === null) hover.set({ query: null, key: null });
    else hover.set(state.direction === "to" ? { query: position, key: other } : { query: other, key: position });
  }
}

function meanOf(heads: Float32Array[]): Float32Array {
  const mean = new Float32Array(heads[0]?.length ?? 0);
  for (const weights of heads) weights.forEach((weight, index) => (mean[index] = mean[index]! + weight / heads.length));
  return mean;
}

/** An arc over tokens of one line, and an S between lines. */
function curve(context: CanvasRenderingContext2D, from: DOMRect, to: DOMRect, origin: DOMRect, shift: number): void {
  const x = [from, to].map((box) => box.left + box.width / 2 - origin.left) as [number, number];
  context.beginPath();
  if (Math.abs(from.top - to.top) < from.height / 2) {
    const y = from.top - origin.top + 2;
    const rise = Math.min(from.height * 0.9, 6 + Math.abs(x[1] - x[0]) / 8) + shift;
    context.moveTo(x[0], y);
    context.bezierCurveTo(x[0], y - rise, x[1], y - rise, x[1], y);
  } else {
    const down = to.top > from.top;
    const y = [(down ? from.bottom : from.top) - origin.top, (down ? to.top : to.bottom) - origin.top] as [number, number];
    const middle = (y[0] + y[1]) / 2 + shift;
    context.moveTo(x[0], y[0]);
    context.bezierCurveTo(x[0], middle, x[1], middle, x[1], y[1]);
  }
  context.stroke();
}
