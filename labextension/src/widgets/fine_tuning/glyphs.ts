/** The signs that mark a curve, drawn alike in charts and in their key. */

import { make } from "../../lib/elements.ts";

export type Sign = "best" | "checkpoint" | "paused" | "failed" | "out_of_memory";

/** In the order of the key. */
export const SIGN_WORDS: Record<Sign, string> = {
  best: "best checkpoint",
  checkpoint: "checkpoint",
  paused: "paused",
  failed: "failed or cancelled",
  out_of_memory: "out of memory, fewer samples at a time",
};

/** Draws a sign around a point, in the colours of the context. */
export function drawSign(context: CanvasRenderingContext2D, sign: Sign, x: number, y: number): void {
  context.beginPath();
  switch (sign) {
    case "best":
      diamond(context, x, y, 6);
      return context.fill();
    case "checkpoint":
      diamond(context, x, y, 3);
      return context.stroke();
    case "paused":
      context.rect(x - 3, y - 4, 2, 8);
      context.rect(x + 1, y - 4, 2, 8);
      return context.fill();
    case "failed":
      context.moveTo(x - 3.5, y - 3.5);
      context.lineTo(x + 3.5, y + 3.5);
      context.moveTo(x + 3.5, y - 3.5);
      context.lineTo(x - 3.5, y + 3.5);
      return context.stroke();
    case "out_of_memory":
      context.moveTo(x, y - 4.5);
      context.lineTo(x + 5, y + 4);
      context.lineTo(x - 5, y + 4);
      context.closePath();
      return context.fill();
  }
}

function diamond(context: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  context.moveTo(x, y - size);
  context.lineTo(x + size, y);
  context.lineTo(x, y + size);
  context.lineTo(x - size, y);
  context.closePath();
}

/** A sign with its words, for a key. */
export function signKey(sign: Sign, color: string): HTMLElement {
  const ratio = 2;
  const canvas = make("canvas", { width: 14 * ratio, height: 14 * ratio, "aria-hidden": "true", class: "gpt-sign-picture" });
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.scale(ratio, ratio);
  context.fillStyle = context.strokeStyle = color;
  context.lineWidth = 1.5;
  drawSign(context, sign, 7, 7);
  return make("span", { class: "gpt-key" }, canvas, SIGN_WORDS[sign]);
}
