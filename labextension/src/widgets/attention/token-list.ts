/**
 * Tokens as running text, each of which has a colour, and one of which is chosen.
 *
 * Of a long text a page has what was seen of it or asked for (`fillSeen`), or all at once.
 */

import { colorOf, css, place, readableOn, sequential, type Span } from "../../lib/color.ts";
import { make } from "../../lib/elements.ts";
import { label, tokenElement } from "../../lib/text.ts";
import type { Token } from "../../protocol.ts";

/** From so many tokens on there are blocks, and what is scrolled out of sight is not laid out. */
const LONG = 1024;
const BLOCK = 512;
/** Pixels of a block that is still empty; about what it will have. */
const EMPTY = "480px";
/** So far beyond what is seen of a text it is put on the page too. */
const AROUND = "120px";
const PALE = 0.3;

let lists = 0;

export class TokenList {
  readonly element: HTMLElement;
  readonly tokens: readonly Token[];
  /** By position; blocks that are still empty have none. */
  #spans: HTMLElement[] = [];
  #blocks: HTMLElement[] = [];
  #empty = new Set<number>();
  #id: string;
  #generated: number | null;
  #painted: { weights: Float32Array | null; span: Span; dark: boolean } | null = null;
  #sinkHidden = false;
  #levels: Int16Array;
  #chosen = -1;
  #hovered = -1;
  #found = new Set<number>();

  /** `generated` is the position of the first token that the model wrote; with `later` a long text waits for `fillSeen`. */
  constructor(tokens: readonly Token[], name: string, generated: number | null, { later = false } = {}) {
    this.tokens = tokens;
    this.#levels = new Int16Array(tokens.length).fill(-1);
    lists += 1;
    this.#id = `gpt-tokens-${lists}-${Math.random().toString(36).slice(2)}`;
    this.#generated = generated;
    this.element = make("div", { class: "gpt-tokens", role: "listbox", tabindex: 0, "aria-label": name });
    if (tokens.length <= LONG) {
      this.#put(this.element, 0, tokens.length);
      return;
    }
    for (let start = 0; start < tokens.length; start += BLOCK) {
      const block = make("div", { class: "gpt-token-block", role: "presentation" });
      block.style.minHeight = EMPTY;
      this.#empty.add(this.#blocks.length);
      this.#blocks.push(block);
    }
    this.element.append(...this.#blocks);
    if (!later) for (const block of this.#blocks.keys()) this.#fill(block);
  }

  /** Puts on the page what can be seen in a box, now and whenever it is scrolled; returns what ends that. */
  fillSeen(within: HTMLElement): () => void {
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting) continue;
          observer.unobserve(target);
          this.#fill(this.#blocks.indexOf(target as HTMLElement));
        }
      },
      { root: within, rootMargin: AROUND },
    );
    for (const block of this.#empty) observer.observe(this.#blocks[block]!);
    return () => observer.disconnect();
  }

  #fill(block: number): void {
    const element = this.#blocks[block];
    if (element === undefined || !this.#empty.delete(block)) return;
    const [start, end] = [block * BLOCK, Math.min(this.tokens.length, (block + 1) * BLOCK)];
    this.#put(element, start, end);
    element.style.minHeight = "";
    if (this.#painted !== null) this.#paint(this.#painted, start, end);
  }

  #put(parent: HTMLElement, start: number, end: number): void {
    const parts: HTMLElement[] = [];
    for (let index = start; index < end; index += 1) {
      const token = this.tokens[index]!;
      const span = tokenElement(token);
      span.classList.add("gpt-token");
      span.id = `${this.#id}-${index}`;
      span.dataset.position = String(index);
      span.setAttribute("role", "option");
      if (this.#generated !== null && index >= this.#generated) span.classList.add("gpt-generated");
      if (this.#generated === index) span.classList.add("gpt-generated-first");
      if (this.#found.has(index)) span.classList.add("gpt-found");
      if (index === 0) span.classList.toggle("gpt-sink", this.#sinkHidden);
      if (index === this.#chosen) mark(span);
      this.#spans[index] = span;
      // Between elements without a space a line breaks only where it is told that it may.
      if (index > 0) parts.push(make("wbr"));
      parts.push(span);
      if (endsLine(token, this.tokens[index + 1])) parts.push(make("br"));
    }
    parent.append(...parts);
  }

  /** A token's element, which comes on the page if it is not there yet. */
  #span(position: number): HTMLElement | undefined {
    this.#fill(Math.floor(position / BLOCK));
    return this.#spans[position];
  }

  /** The position of the token that an event happened on, or null. */
  at(event: Event): number | null {
    const span = event.target instanceof Element ? event.target.closest<HTMLElement>(".gpt-token") : null;
    return span !== null && this.element.contains(span) ? Number(span.dataset.position) : null;
  }

  /** Colours the tokens; null takes all colour away. */
  paint(weights: Float32Array | null, span: Span, dark: boolean): void {
    this.#painted = { weights, span, dark };
    this.#paint(this.#painted, 0, this.tokens.length);
  }

  #paint({ weights, span, dark }: { weights: Float32Array | null; span: Span; dark: boolean }, start: number, end: number): void {
    const scale = sequential(dark);
    const theme = dark ? 256 : 0;
    for (let index = start; index < end; index += 1) {
      const element = this.#spans[index];
      if (element === undefined) continue;
      const weight = weights?.[index] ?? 0;
      const level = weight > 0 ? theme + Math.round(255 * place(weight, span)) : theme;
      if (this.#levels[index] === level) continue;
      this.#levels[index] = level;
      const { style } = element;
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
    if (span !== undefined) mark(span);
    if (position === null) this.element.removeAttribute("aria-activedescendant");
    else this.element.setAttribute("aria-activedescendant", `${this.#id}-${position}`);
  }

  hover(position: number | null): void {
    this.#hovered = this.#move("gpt-hovered", this.#hovered, position);
  }

  hideSink(hidden: boolean): void {
    this.#sinkHidden = hidden;
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
    return this.#span(position)?.getBoundingClientRect() ?? null;
  }

  /** The token one line above or below another, nearest to it. */
  beside(position: number, lines: 1 | -1): number {
    const from = this.box(position);
    if (from === null) return position;
    let line: number | null = null;
    let best = position;
    let nearest = Infinity;
    for (let index = position + lines; index >= 0 && index < this.tokens.length; index += lines) {
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

/** Marks the chosen token. */
function mark(span: HTMLElement): void {
  span.classList.add("gpt-chosen");
  span.setAttribute("aria-selected", "true");
}

/** Whether a line ends after a token: several line ends in a row end it once, so that empty lines take no room. */
function endsLine(token: Token, next: Token | undefined): boolean {
  return token.text.endsWith("\n") && next !== undefined && !next.text.startsWith("\n");
}
