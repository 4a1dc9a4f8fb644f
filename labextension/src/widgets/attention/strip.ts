/** The text, coloured by what the chosen token attends to or what attends to it; a click, or an arrow key, moves on. */

import { Endings, Latest } from "../../lib/asking.ts";
import { sequential, type Span } from "../../lib/color.ts";
import { button, make, quoted, told } from "../../lib/elements.ts";
import { legend } from "../../lib/legend.ts";
import { float32Text, short } from "../../lib/numbers.ts";
import { spoken } from "../../lib/text.ts";
import { chosenOf, madeOf, partOf, sidesOf, turned, weightsOf, type Weights } from "./chosen.ts";
import { occurrences } from "./find.ts";
import { ExactBlocks } from "./matrix-exact.ts";
import { Minimap } from "./minimap.ts";
import { TokenList } from "./token-list.ts";
import type { Context, View } from "./view.ts";

/** From so many tokens on there are a map of the text and a search. */
const LONG = 200;

const SINK =
  "The first token is where heads attend that have nothing to say; the other weights are divided by what is left";

type Side = "to" | "by";

/** `fill` puts on the page what can be seen of a long text, which waits until the map was painted. */
export function stripView(context: Context): View & { find(): void; fill(): void } {
  const strip = new Strip(context);
  return {
    element: strip.element,
    resize: () => strip.resize(),
    fill: () => strip.fill(),
    destroy: () => strip.destroy(),
    find: () => strip.openFind(),
  };
}

class Strip {
  readonly element: HTMLElement;
  #context: Context;
  #endings = new Endings();
  #latest = new Latest();
  #weights: Weights | null = null;
  /** Whether the weights are those of what is chosen now. */
  #current = false;
  /** What is written comes from the blocks that the map has: a row that is computed by itself differs in its last digits. */
  #exact: ExactBlocks | null = null;
  #lists!: Record<Side, TokenList>;
  #body = make("div", { class: "gpt-strip-text" });
  #says = make("span", { class: "gpt-says" });
  #made = make("span");
  #value = make("span", { class: "gpt-value" });
  #sink = make("span", { class: "gpt-sign" });
  #legend = legend();
  #minimap: Minimap;
  #search = make("input", { class: "gpt-input gpt-find", type: "search", placeholder: "find", ...told("find in the text", "/") });
  #count = make("span", { class: "gpt-faint-text" });
  #found: number[][] = [];
  #at = -1;
  #frame = 0;
  #placed = false;
  /** Whether what can be seen of a long text is on the page. */
  #filled = false;
  #observed = new Endings();

  constructor(context: Context) {
    this.#context = context;
    const { store } = context;
    const turn = button("⇄", {
      does: "turn round: attends to, or attended by",
      key: "d",
      press: () => store.set(turned(store.get(), this.#sides)),
    });
    this.#minimap = new Minimap((position) => this.#choose(store.get().direction, position, true));
    const parts = [this.#says, this.#made, turn, this.#value, this.#sink, this.#search, this.#count, this.#legend.element];
    const head = make("div", { class: "gpt-strip-head" }, ...parts);
    this.element = make("section", { class: "gpt-strip", "aria-label": "the text" }, head, this.#minimap.element, this.#body);
    this.#build();
    this.#listen();
    this.#ask();
  }

  resize(): void {
    const { direction } = this.#context.store.get();
    // Only what is on the page has a place that can be scrolled to.
    if (!this.#placed && this.#filled) this.#lists[direction].reveal(chosenOf(this.#context.store.get(), this.#sides).position, this.#body);
    this.#placed = this.#filled && this.element.clientWidth > 0;
    this.#drawMinimap();
  }

  /** Puts on the page what can be seen of the text, at first the chosen token. */
  fill(): void {
    this.#filled = true;
    if (!this.#placed) this.resize();
    this.#observed.end();
    for (const list of new Set(Object.values(this.#lists))) this.#observed.add(list.fillSeen(this.#body));
  }

  openFind(): void {
    this.#search.hidden = false;
    this.#search.focus();
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    this.#observed.end();
    this.#latest.end();
    this.#exact?.close();
    this.#minimap.destroy();
    this.#endings.end();
  }

  get #sides() {
    return sidesOf(this.#context.opened.info, this.#context.store.get().part);
  }

  /** The side whose tokens have colours: the keys of what attends, or the other way round. */
  get #colored(): Side {
    return this.#context.store.get().direction === "to" ? "by" : "to";
  }

  #build(): void {
    const { queries, keys } = this.#sides;
    const generated = this.#context.opened.generated ?? null;
    const own = queries === keys;
    const to = new TokenList(queries, own ? "the text" : "the target, which attends", generated, { later: true });
    this.#lists = { to, by: own ? to : new TokenList(keys, "the text, which is attended to", null, { later: true }) };
    const name = (text: string): HTMLElement => make("div", { class: "gpt-strip-name" }, text);
    const lists = own ? [to.element] : [name("text"), this.#lists.by.element, name("target"), to.element];
    this.#body.replaceChildren(...lists);
    const long = Math.max(queries.length, keys.length) > LONG;
    this.#minimap.element.hidden = !long;
    this.#search.hidden = !long;
  }

  #listen(): void {
    const { store, hover, made, onTheme } = this.#context;
    this.#endings.add(
      store.on(["part"], () => {
        this.#build();
        this.fill();
      }),
      store.on(["part", "layer", "head", "query", "key", "direction", "hide_sink"], () => this.#ask()),
      made.on(["token"], () => this.#ask()),
      store.on(["log"], () => this.#paint()),
      hover.on(["query", "key"], () => this.#hover()),
      onTheme(() => this.#paint()),
    );
    this.#endings.listen(this.#body, "click", (event) => this.#click(event));
    this.#endings.listen(this.#body, "pointermove", (event) => this.#point(event));
    this.#endings.listen(this.#body, "pointerleave", () => hover.set({ query: null, key: null }));
    this.#endings.listen(this.#body, "keydown", (event) => this.#key(event));
    this.#endings.listen(this.#body, "scroll", () => this.#later(), { passive: true });
    this.#endings.listen(this.#search, "input", () => this.#find());
    this.#endings.listen(this.#search, "keydown", (event) => this.#findKey(event));
  }

  #ask(): void {
    const { store, source, failed } = this.#context;
    const state = store.get();
    const { position } = chosenOf(state, this.#sides);
    this.#mark(position);
    if (this.#filled) this.#lists[state.direction].reveal(position, this.#body);
    this.#current = false;
    this.#chooseBlocks();
    this.#hover();
    this.#latest.run(
      (signal) => weightsOf(source, state, this.#sides, [{ layer: state.layer, head: state.head }], { signal }),
      (weights) => {
        this.#weights = weights;
        this.#current = true;
        this.#paint();
      },
      (error) => {
        this.#weights = null;
        this.#paint();
        failed(error);
      },
    );
  }

  /** Keeps the blocks of the chosen head; those of another one are let go of. */
  #chooseBlocks(): void {
    const { store, source, opened } = this.#context;
    const { part, layer, head, hide_sink } = store.get();
    const question = { which: 0, part, layer, head, hide_sink } as const;
    if (JSON.stringify(this.#exact?.question) === JSON.stringify(question)) return;
    this.#exact?.close();
    const { n_queries: rows, n_keys: columns } = partOf(opened.info, part);
    // Without a block the weight stays a rounded one, and the row's own question says what is wrong.
    const on = { change: () => this.#hover(), failed: () => undefined };
    this.#exact = new ExactBlocks(question, { rows, columns }, source, on);
  }

  #mark(position: number): void {
    const { store } = this.#context;
    const { direction, layer, head, hide_sink } = store.get();
    const own = this.#lists.to === this.#lists.by;
    if (!own) this.#lists[this.#colored].choose(null);
    const made = madeOf(this.#context);
    this.#lists[direction].choose(made ?? position);
    this.#lists.by.hideSink(hide_sink);
    const token = this.#lists[direction].tokens[position];
    const verb = direction === "to" ? "attends to" : "is attended by";
    const row = make("bdi", {}, this.#lists[direction].label(position));
    if (made === null) this.#says.replaceChildren("what ", quoted(token), ` (${position}) ${verb} in L${layer} H${head}`);
    else this.#says.replaceChildren("when ", quoted(this.#lists.to.tokens[made]), ` (${made}) was made, in L${layer} H${head} (row of `, row, ` ${position})`);
    this.#linkMade(position, made);
  }

  /** A token that the model wrote attends only once it is there; what it was made of is the row of the token before. */
  #linkMade(position: number, shown: number | null): void {
    const { direction, part } = this.#context.store.get();
    const generated = this.#context.opened.generated ?? null;
    const made = generated !== null && part === "decoder" && direction === "to" && position >= Math.max(1, generated);
    this.#made.hidden = !made && shown === null;
    if (this.#made.hidden) return;
    const own = "show the token's own row, after it was made";
    const before = "this is the token's own row, after it was made: show the row of the token before, at which it was made";
    const back = (): void => this.#choose("to", shown!, true);
    const link = shown === null ? button("when it was made", { does: before, press: () => this.#showMade(position) }) : button("its own row", { does: own, press: back });
    this.#made.replaceChildren(link);
  }

  /** Shows the row at which a token was made, and keeps marking the token. */
  #showMade(token: number): void {
    this.#choose("to", token - 1, true);
    this.#context.made.set({ token });
  }

  get #span(): Span {
    const weights = this.#weights?.heads[0];
    const high = weights === undefined ? 1 : weights.reduce((most, weight) => Math.max(most, weight), 0);
    return { low: 0, high: high > 0 ? high : 1, log: this.#context.store.get().log };
  }

  #paint(): void {
    const weights = this.#weights?.heads[0] ?? null;
    const dark = this.#context.dark();
    const span = this.#span;
    const own = this.#lists.to === this.#lists.by;
    if (!own) this.#lists[this.#context.store.get().direction].paint(null, span, dark);
    this.#lists[this.#colored].paint(weights, span, dark);
    this.#legend.show({ title: "weight", span, scale: sequential(dark) });
    const { hide_sink } = this.#context.store.get();
    const sink = this.#weights?.sink[0] ?? null;
    this.#sink.hidden = !hide_sink;
    this.#sink.textContent = sink === null ? "first token hidden" : `first token hidden (${short(sink)})`;
    this.#sink.title = `${SINK} (s shows it)`;
    this.#hover();
    this.#later();
  }

  #hover(): void {
    const { direction } = this.#context.store.get();
    const { query, key } = this.#context.hover.get();
    const position = direction === "to" ? key : query;
    this.#lists[this.#colored].hover(position);
    const chosen = chosenOf(this.#context.store.get(), this.#sides).position;
    const other = direction === "to" ? query : key;
    const weight = position === null || other !== chosen || !this.#current ? undefined : this.#weights?.heads[0]?.[position];
    if (weight === undefined) {
      this.#value.textContent = "";
      return;
    }
    const [row, column] = direction === "to" ? [chosen, position!] : [position!, chosen];
    this.#exact?.want(row, column);
    const exact = this.#exact?.get(row, column);
    const number = exact === undefined ? `≈ ${short(weight)}` : float32Text(exact);
    this.#value.textContent = `${this.#lists[this.#colored].label(position!)} (${position}) ${number}`;
  }

  #point(event: MouseEvent): void {
    const { store, hover } = this.#context;
    const found = this.#located(event);
    if (found === null) return hover.set({ query: null, key: null });
    const chosen = chosenOf(store.get(), this.#sides).position;
    if (store.get().direction === "to") hover.set({ query: chosen, key: found.position });
    else hover.set({ query: found.position, key: chosen });
  }

  #located(event: Event): { side: Side; position: number } | null {
    const { direction } = this.#context.store.get();
    // The chosen side first: where a text attends to itself, both sides are the same list.
    for (const side of [direction, this.#colored]) {
      const position = this.#lists[side].at(event);
      if (position !== null) return { side, position };
    }
    return null;
  }

  #click(event: MouseEvent): void {
    const found = this.#located(event);
    if (found === null) return;
    this.#lists[found.side].element.focus({ preventScroll: true });
    // With Alt the other end is chosen: a key for the query that is chosen, and the other way round.
    if (event.altKey && this.#lists.to === this.#lists.by) this.#set(this.#colored, found.position, false);
    else this.#choose(found.side, found.position, false);
    // The pointer is still there, over a token of what is chosen now; a finger is gone, and has left nothing.
    const { query, key } = this.#context.hover.get();
    if (query !== null || key !== null) this.#point(event);
  }

  #choose(side: Side, position: number, reveal: boolean): void {
    this.#set(side, position, true);
    if (reveal) this.#lists[side].reveal(position, this.#body);
  }

  #set(side: Side, position: number, turn: boolean): void {
    const chosen = side === "to" ? { query: position } : { key: position };
    this.#context.made.set({ token: null });
    this.#context.store.set(turn ? { ...chosen, direction: side } : chosen);
    this.#context.announce(`${spoken(this.#lists[side].tokens[position])}, position ${position}`);
  }

  #key(event: KeyboardEvent): void {
    const { store } = this.#context;
    const { direction } = store.get();
    const list = this.#lists[direction];
    const { position } = chosenOf(store.get(), this.#sides);
    const last = list.tokens.length - 1;
    const steps: Record<string, () => number> = {
      ArrowLeft: () => Math.max(0, position - 1),
      ArrowRight: () => Math.min(last, position + 1),
      ArrowUp: () => list.beside(position, -1),
      ArrowDown: () => list.beside(position, 1),
      Home: () => 0,
      End: () => last,
    };
    const step = event.ctrlKey || event.metaKey || event.altKey ? undefined : steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.#choose(direction, step(), true);
  }

  #find(): void {
    const list = this.#lists[this.#colored];
    this.#found = occurrences(list.tokens, this.#search.value);
    this.#at = -1;
    list.find(new Set(this.#found.flat()));
    this.#count.textContent = this.#search.value === "" ? "" : this.#found.length === 0 ? "not found" : `${this.#found.length} found`;
    this.#next(1, false);
  }

  #findKey(event: KeyboardEvent): void {
    if (event.key === "Enter") this.#next(event.shiftKey ? -1 : 1, true);
    else if (event.key !== "Escape" || (this.#search.value === "" && this.#search.hidden)) return;
    else if (this.#search.value !== "") {
      this.#search.value = "";
      this.#find();
    } else this.#lists.to.element.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  /** Goes to the next occurrence, and chooses its first token where `choose`. */
  #next(step: 1 | -1, choose: boolean): void {
    if (this.#found.length === 0) return this.#later();
    this.#at = (this.#at + step + this.#found.length) % this.#found.length;
    const position = this.#found[this.#at]![0]!;
    this.#count.textContent = `${this.#at + 1} of ${this.#found.length}`;
    if (choose) this.#choose(this.#lists.to === this.#lists.by ? this.#context.store.get().direction : this.#colored, position, true);
    else this.#lists[this.#colored].reveal(position, this.#body);
    this.#later();
  }

  /** Draws the map of the text once a frame at most. */
  #later(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#drawMinimap());
  }

  #drawMinimap(): void {
    if (this.#minimap.element.hidden) return;
    const list = this.#lists[this.#colored];
    const { scrollTop, clientHeight, scrollHeight } = this.#body;
    const count = list.tokens.length;
    const first = Math.floor((scrollTop / scrollHeight) * count);
    const last = Math.min(count - 1, Math.ceil(((scrollTop + clientHeight) / scrollHeight) * count) - 1);
    this.#minimap.show({
      weights: this.#weights?.heads[0] ?? null,
      span: this.#span,
      dark: this.#context.dark(),
      count,
      chosen: chosenOf(this.#context.store.get(), this.#sides).position,
      found: new Set(this.#found.flat()),
      seen: [first, last],
    });
  }
}
