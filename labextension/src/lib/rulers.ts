/** Token rulers: the tokens along an axis of a matrix, as many as can be read. */

import type { Token } from "../protocol.ts";
import type { Palette } from "./palette.ts";
import { pieces } from "./text.ts";

/** Pixels that a chip's outline adds to its text. */
const CHIP = 5;

const STEPS = [1, 2, 5, 10, 20, 25, 50];

/** Every how many tokens there is a label, where a label needs `needed` pixels and a cell has `scale`. */
export function labelStep(scale: number, needed: number): number {
  for (let decade = 1; ; decade *= 100) {
    const step = STEPS.find((each) => each * decade * scale >= needed);
    if (step !== undefined) return step * decade;
  }
}

/** The positions that get a label, of those from `start` up to `stop`. */
export function labelled(start: number, stop: number, step: number): number[] {
  const first = Math.max(0, Math.ceil(start / step) * step);
  const found: number[] = [];
  for (let position = first; position < stop; position += step) found.push(position);
  return found;
}

/** Draws a token's text from `left` on, its middle at `middle`, cut where it gets too long; returns its width. */
export function drawToken(
  context: CanvasRenderingContext2D,
  token: Token | undefined,
  { left, middle, longest, palette, strong = false }: { left: number; middle: number; longest: number; palette: Palette; strong?: boolean },
): number {
  if (!token) return 0;
  context.font = palette.code;
  context.textBaseline = "middle";
  context.textAlign = "left";
  let at = left;
  const end = left + longest;
  for (const piece of pieces(token)) {
    const text = cut(context, piece.text, end - at - (piece.kind === "chip" ? CHIP : 0));
    const width = context.measureText(text).width;
    context.fillStyle = piece.kind === "text" || strong ? palette.text : palette.faint;
    // What is invisible stays faint also where the token is emphasised.
    context.globalAlpha = piece.kind === "faint" ? 0.6 : 1;
    if (piece.kind === "chip") {
      context.strokeStyle = palette.faint;
      context.lineWidth = 1;
      context.beginPath();
      context.roundRect(Math.round(at) + 0.5, Math.round(middle - palette.size / 2 - 1) - 0.5, Math.round(width) + 3, palette.size + 4, 3);
      context.stroke();
      context.fillText(text, at + 2, middle);
      at += width + CHIP;
    } else {
      context.fillText(text, at, middle);
      at += width;
    }
    context.globalAlpha = 1;
    if (text !== piece.text) break;
  }
  return at - left;
}

/** How wide a token's text is drawn. */
export function tokenWidth(context: CanvasRenderingContext2D, token: Token | undefined, palette: Palette): number {
  if (!token) return 0;
  context.font = palette.code;
  return pieces(token).reduce((sum, piece) => sum + context.measureText(piece.text).width + (piece.kind === "chip" ? CHIP : 0), 0);
}

/** The text, or as many of its characters as fit before an ellipsis; one at least. */
export function cut(context: Pick<CanvasRenderingContext2D, "measureText">, text: string, longest: number): string {
  if (context.measureText(text).width <= longest) return text;
  const characters = [...text];
  const shortened = (count: number): string => `${characters.slice(0, count).join("")}…`;
  // Halved again and again, because a token can have thousands of characters.
  let [fits, tooMany] = [1, characters.length];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (context.measureText(shortened(middle)).width <= longest) fits = middle;
    else tooMany = middle;
  }
  return shortened(fits);
}
