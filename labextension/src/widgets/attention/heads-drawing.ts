/** Draws the heads that are seen: pictures or scores, labels, and the marks of those that are chosen. */

import type { Frame } from "../../lib/canvas.ts";
import { colorOf, css, type Scale, type Span } from "../../lib/color.ts";
import { short } from "../../lib/numbers.ts";
import type { Palette } from "../../lib/palette.ts";
import { headName } from "./chosen.ts";
import type { Layout, Place } from "./heads-layout.ts";
import type { HeadPictures } from "./heads-pictures.ts";
import type { Table } from "./source.ts";
import type { Head, State } from "./state.ts";

export interface Scene {
  layout: Layout;
  pictures: HeadPictures;
  /** Scores, and the colours that they have; null while there are none. */
  scores: { values: Table; span: Span; scale: Scale } | null;
  /** Whether a head is shown as the colour of its score instead of its picture. */
  asScores: boolean;
  state: Readonly<State>;
  dark: boolean;
  palette: Palette;
  /** Pixels by which the layout is scrolled. */
  scrolled: number;
  hovered: Head | null;
  /** Where the keyboard is; null: elsewhere. */
  active: Head | null;
}

/** Pixels of a picture that has room below it for a score, and for the words layer and head in short. */
const [LABELLED, NAMED] = [56, 76];

/** Pixels around all pictures, for the outlines of those at the edge. */
export const MARGIN = 4;

export function drawHeads({ context, height, ratio }: Frame, scene: Scene): void {
  const { layout, palette, scrolled } = scene;
  context.save();
  context.translate(MARGIN, MARGIN - scrolled);
  const seen = (top: number, bottom: number) => bottom >= scrolled - MARGIN && top <= scrolled + height;
  context.textBaseline = "middle";
  context.font = palette.words;
  context.textAlign = "right";
  context.fillStyle = palette.faint;
  for (const { layer, top } of layout.layers) if (seen(top - 10, top + 10)) context.fillText(`L${layer}`, 19, top);
  context.fillStyle = palette.line;
  for (const { left, top, width } of layout.groups) if (seen(top, top + 4)) context.fillRect(left, top + 5, width, 1);
  const visible = layout.places.filter(({ top, side }) => seen(top, top + side + layout.below));
  for (const place of visible) drawHead(context, place, scene, ratio);
  for (const place of visible) drawMark(context, place, scene);
  context.restore();
}

function drawHead(context: CanvasRenderingContext2D, place: Place, scene: Scene, ratio: number): void {
  const { palette, scores, layout } = scene;
  const { left, top, side } = place;
  const score = scores?.values[place.layer]?.[place.head] ?? null;
  context.fillStyle = palette.paper;
  context.fillRect(left, top, side, side);
  if (scene.asScores) {
    if (scores && score !== null) {
      context.fillStyle = css(colorOf(score, scores.span, scores.scale));
      context.fillRect(left, top, side, side);
    }
  } else {
    scene.pictures.draw(context, place, place, { log: scene.state.log, dark: scene.dark }, ratio);
  }
  if (scene.state.ablated.some(([layer, head]) => layer === place.layer && head === place.head)) strike(context, place, palette);
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.strokeRect(left - 0.5, top - 0.5, side + 1, side + 1);
  const share = scores && score !== null ? Math.max(0, Math.min(1, (score - scores.span.low) / (scores.span.high - scores.span.low || 1))) : 0;
  if (layout.below < 12) {
    // Below each picture of the grid, how large the score is of the largest one.
    context.fillStyle = palette.accent;
    context.fillRect(left, top + side + 1, Math.round(share * side), 2);
    return;
  }
  const middle = top + side + 10;
  context.font = palette.words;
  context.fillStyle = palette.faint;
  context.textAlign = "left";
  if (place.layer < 0) return;
  const number = score === null || side < LABELLED ? "" : Math.abs(score) < 10 ? score.toFixed(2) : short(score);
  context.fillText(side < NAMED ? `${place.layer}·${place.head}` : headName(place), left, middle);
  context.textAlign = "right";
  context.fillStyle = palette.text;
  context.fillText(number, left + side, middle);
}

/** A head that is switched off is struck through. */
function strike(context: CanvasRenderingContext2D, { left, top, side }: Place, palette: Palette): void {
  context.fillStyle = palette.paper;
  context.globalAlpha = 0.6;
  context.fillRect(left, top, side, side);
  context.globalAlpha = 1;
  context.strokeStyle = palette.text;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(left + 3, top + 3);
  context.lineTo(left + side - 3, top + side - 3);
  context.stroke();
}

function drawMark(context: CanvasRenderingContext2D, place: Place, { state, hovered, active, palette }: Scene): void {
  const is = (head: Head | null) => head !== null && head.layer === place.layer && head.head === place.head;
  const chosen = is(state);
  // A head of the other attention is none of these.
  const pinned = state.pinned?.which !== 1 && is(state.pinned);
  const { left, top, side } = place;
  const outline = (distance: number, width: number, color: string, dashes: number[] = []) => {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.setLineDash(dashes);
    context.strokeRect(left - distance, top - distance, side + 2 * distance, side + 2 * distance);
    context.setLineDash([]);
  };
  if (chosen) outline(2, 2, palette.accent);
  if (pinned) outline(2, 2, palette.accent, [4, 3]);
  if (is(hovered) && !chosen && !pinned) outline(0.5, 1, palette.text);
  if (is(active)) outline(chosen || pinned ? 3.5 : 1.5, 1.5, palette.text);
}
