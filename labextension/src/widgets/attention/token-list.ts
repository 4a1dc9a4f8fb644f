/** Tokens as running text, each of which has a colour, and one of which is chosen. */

import { colorOf, css, place, readableOn, sequential, type Span } from "../../lib/color.ts";
import { label, tokenElement } from "../../lib/text.ts";
import type { Token } from "../../protocol.ts";
import { make } from "./elements.ts";

/** From so many tokens on, what is scrolled out of sight is not laid out. */
const LONG = 1024;
const BLOCK = 512;
const PALE = 0.3;

let lists = 0;

export class TokenList {
  readonly element: HTMLElement;
  readonly tokens: readonly Token[];
  #spans: HTMLElement[] = [];
  #levels: Int16Array;
  #chosen = -1;
  #hovered = -1;
  #found = new Set<number>();

  /** `generated` is the position of the first token that the model wrote. */
  constructor(tokens: readonly Token[], name: string, generated: number | null) {
    this.tokens = tokens;
    this.#levels = new Int16Array(tokens.length).fill(-1);
    lists += 1;
    const id = `gpt-tokens-${lists}-${Math.random().toString(36).slice(2)}`;
    this.element = make("div", { class: "gpt-tokens", role: "listbox", tabindex: 0, "aria-label": name });
    let block: HTMLElement = this.element;
    tokens.forEach((token, index) => {
      if (tokens.length > LONG && index % BLOCK === 0) {
        block = make("div", { class: "gpt-token-block", role: "presentation" });
        this.element.append(block);
      }
      const span = tokenElement(token);
      span.classList.add("gpt-token");
      span.id = `${id}-${index}`;
      span.dataset.position = String(index);
      span.setAttribute("role", "option");
      if (generated !== null && index >= generated) span.classList.add("gpt-generated");
      if (generated === index) span.classList.add("gpt-generated-first");
      this.#spans.push(span);
      // Between elements without a space a line breaks only where it is told that it may.
      if (index > 0) block.append(make("wbr"));
      block.append(span);
      if (endsLine(token, tokens[index + 1])) block.append(make("br"));
    });
  }

  /** The position of the token that an event happened on, or null. */
  at(event: Event): number | null {
    const span = event.target instanceof Element ? event.target.closest<HTMLElement>(".gpt-token") : null;
    return span !== null && this.element.contains(span) ? Number(span.dataset.position) : null;
  }

  /** Colours the tokens; null takes all colour away. */
  paint(weights: Float32Array | null, span: Span, dark: boolean): void {
    const scale = sequential(dark);
    const theme = dark ? 256 : 0;
    for (let index = 0; index < this.#spans.length; index += 1) {
      const weight = weights?.[index] ?? 0;
      const level = weight > 0 ? theme + Math.round(255 * place(weight, span)) : theme;
      if (this.#levels[index] === level) continue;
      this.#levels[index] = level;
      const { style } = this.#spans[index]!;
      if (level === theme) {
        style.background = style.color = "";
        continue;
      }
      const color = colorOf(weight, span, scale);
      style.background = css(color);
      // On pale grounds the text keeps the page's own colour.
      style.color = place(weight, span) > PALE ? readableOn(color) : "";
    }
  }

  choose(position: number | null): void {
    this.#spans[this.#chosen]?.removeAttribute("aria-selected");
    this.#chosen = this.#move("gpt-chosen", this.#chosen, position);
    const span = this.#spans[this.#chosen];
    span?.setAttribute("aria-selected", "true");
    if (span === undefined) this.element.removeAttribute("aria-activedescendant");
    else this.element.setAttribute("aria-activedescendant", span.id);
  }

  hover(position: number | null): void {
    this.#hovered = this.#move("gpt-hovered", this.#hovered, position);
  }

  hideSink(hidden: boolean): void {
    this.#spans[0]?.classList.toggle("gpt-sink", hidden);
  }

  /** Marks the tokens that a search found. */
  find(positions: ReadonlySet<number>): void {
    for (const index of this.#found) this.#spans[index]?.classList.toggle("gpt-found", positions.has(index));
    for (const index of positions) this.#spans[index]?.classList.add("gpt-found");
    this.#found = new Set(positions);
  }

  /** Where a token lies in the list, in pixels. */
  box(position: number): DOMRect | null {
    return this.#spans[position]?.getBoundingClientRect() ?? null;
  }

  /** The token one line above or below another, nearest to it. */
  beside(position: number, lines: 1 | -1): number {
    const from = this.box(position);
    if (from === null) return position;
    let line: number | null = null;
    let best = position;
    let nearest = Infinity;
    for (let index = position + lines; index >= 0 && index < this.#spans.length; index += lines) {
      const box = this.box(index)!;
      if (lines * (box.top - from.top) < from.height / 2) continue;
      line ??= box.top;
      if (Math.abs(box.top - line) > box.height / 2) break;
      const distance = Math.abs(box.left - from.left);
      if (distance < nearest) [nearest, best] = [distance, index];
    }
    return best;
  }

  /** Scrolls a box, and nothing around it, until a token can be seen. */
  reveal(position: number, within: HTMLElement): void {
    const box = this.box(position);
    if (box === null) return;
    const frame = within.getBoundingClientRect();
    if (box.top < frame.top + 4) within.scrollTop -= frame.top - box.top + box.height;
    else if (box.bottom > frame.bottom - 4) within.scrollTop += box.bottom - frame.bottom + box.height;
  }

  label(position: number): string {
    return label(this.tokens[position], 24);
  }

  #move(name: string, from: number, to: number | null): number {
    if (from === (to ?? -1)) return from;
    this.#spans[from]?.classList.remove(name);
    if (to !== null) this.#spans[to]?.classList.add(name);
    return to ?? -1;
  }
}

/** Whether a line ends after a token: several line ends in a row end it once, so that empty lines take no room. */
function endsLine(token: Token, next: Token | undefined): boolean {
  return token.text.endsWith("\n") && next !== undefined && !next.text.startsWith("\n");
}
