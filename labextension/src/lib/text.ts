/**
 * Tokens as people read them: text with visible but faint spaces and line ends, chips for what is no text.
 *
 * The rules are those of `gpt_notebook/visible_text.py` and `display/token_html.py`: control characters and the marks
 * that reorder lines become pictures of themselves; a model can say any character.
 */

import type { Token } from "../protocol.ts";

export interface Piece {
  /** `chip`: a special token or a byte that is no character yet; `faint`: a picture of what is otherwise invisible. */
  kind: "text" | "faint" | "chip";
  text: string;
}

const FAINT: Record<string, string> = { " ": "·", "\n": "⏎", "\t": "⇥", "\u00a0": "⍽" };

/** A token's text in pieces that are shown differently. */
export function pieces(token: Token): Piece[] {
  if (token.special) return [{ kind: "chip", text: visible(token.text) || `token ${token.id}` }];
  if (!token.text && token.bytes.length > 0) return token.bytes.map((byte) => ({ kind: "chip", text: hex(byte) }));
  if (!token.text) return [{ kind: "chip", text: "∅" }];
  const found: Piece[] = [];
  for (const character of visible(token.text)) {
    const faint = FAINT[character];
    const kind = faint === undefined ? "text" : "faint";
    const last = found.at(-1);
    if (last?.kind === kind) last.text += faint ?? character;
    else found.push({ kind, text: faint ?? character });
  }
  return found;
}

/** A token's text on one line, for rulers, tooltips and screen readers. */
export function label(token: Token | undefined, longest = Infinity): string {
  if (!token) return "";
  const text = pieces(token).map((piece) => piece.text).join("");
  const characters = [...text];
  return characters.length > longest ? `${characters.slice(0, Math.max(1, longest - 1)).join("")}…` : text;
}

/** A token's text as one says it: without the space before it, line ends by name. */
export function spoken(token: Token | undefined): string {
  if (!token) return "";
  if (token.text.trim()) return visible(token.text).trim();
  const names = [...token.text].map((character) => ({ " ": "space", "\n": "line end", "\t": "tab" })[character] ?? "blank");
  return names.length > 0 ? [...new Set(names)].join(" ") : `bytes ${token.bytes.map(hex).join(" ")}`;
}

/** An element with a token's text, isolated so that right-to-left text moves nothing around it. */
export function tokenElement(token: Token): HTMLElement {
  const element = document.createElement("bdi");
  element.className = "gpt-token-text";
  element.dir = "auto";
  for (const piece of pieces(token)) {
    if (piece.kind === "text") {
      element.append(piece.text);
      continue;
    }
    const mark = document.createElement("span");
    mark.className = piece.kind === "chip" ? "gpt-chip" : "gpt-faint";
    mark.textContent = piece.text;
    element.append(mark);
  }
  return element;
}

/** The text with its control characters made visible; spaces, line ends and tabs stay. */
export function visible(text: string): string {
  return text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/gu, (character) => {
    const code = character.codePointAt(0) as number;
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    if (code >= 0xd800 && code <= 0xdfff) return "\ufffd";
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** The positions of the whole tokens that spell a text, all of its occurrences, spaces around it apart. */
export function spelling(text: string, tokens: readonly Token[]): number[] {
  const wanted = text.trim() || text;
  const found: number[] = [];
  let start = 0;
  while (wanted && start < tokens.length) {
    const end = spelledUntil(wanted, tokens, start);
    for (let i = start; i < end; i++) found.push(i);
    start = Math.max(end, start + 1);
  }
  return found;
}

function spelledUntil(wanted: string, tokens: readonly Token[], start: number): number {
  const first = tokens[start] as Token;
  // A space before the text is no part of it.
  if (!first.text.trim() && first.bytes.length === 0 && wanted.trim()) return start;
  let spelled = "";
  for (let end = start; end < tokens.length; end++) {
    spelled += (tokens[end] as Token).text;
    if (wanted === spelled || wanted === spelled.trim()) return end + 1;
    if (!wanted.startsWith(spelled.trimStart())) break;
  }
  return start;
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, "0");
}
