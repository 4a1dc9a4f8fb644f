/** What lies above a map: the crosshairs of the chosen cell and the pointer's, the value there, and the rulers. */

import type { Palette } from "../../lib/palette.ts";
import { drawToken, labelled, labelStep, tokenWidth } from "../../lib/rulers.ts";
import type { Extent, Viewport } from "../../lib/tiles.ts";
import type { Sides } from "./chosen.ts";

/** A cell of the map; null: none. */
export interface Cell {
  query: number | null;
  key: number | null;
}

export interface Marks {
  viewport: Viewport;
  hover: Cell;
  chosen: Cell;
  /** Whether the pointer is over this map, and not over another one beside it. */
  pointed: boolean;
  /** The pixels that the map fills, right of and below its rulers. */
  inside: Extent;
  /** The rows and columns that are seen. */
  range: { rows: [number, number]; columns: [number, number] };
  rulers: { left: number; top: number };
  sides: Sides;
  palette: Palette;
  value(query: number, key: number): string;
}

/** Pixels between a label and the map. */
const GAP = 6;

export function drawMarks(context: CanvasRenderingContext2D, marks: Marks): void {
  const { viewport, inside, rulers, palette } = marks;
  const { left, top } = rulers;
  const [chosen, hover] = [marks.chosen, marks.hover].map((cell): Cell => ({
    query: cell.query !== null && within(cell.query, viewport.y, viewport.scale, inside.height) ? cell.query : null,
    key: cell.key !== null && within(cell.key, viewport.x, viewport.scale, inside.width) ? cell.key : null,
  })) as [Cell, Cell];
  context.save();
  context.beginPath();
  context.rect(left, top, inside.width, inside.height);
  context.clip();
  context.strokeStyle = palette.accent;
  context.lineWidth = palette.crosshair;
  context.globalAlpha = 0.9;
  drawCrosshair(context, chosen, marks);
  context.globalAlpha = 0.45;
  drawCrosshair(context, hover, marks);
  context.restore();
  drawRulers(context, [chosen, hover], marks);
  if (hover.query !== null && hover.key !== null) drawValue(context, hover.query, hover.key, marks);
}

function within(position: number, start: number, scale: number, length: number): boolean {
  const middle = (position + 0.5 - start) * scale;
  return middle >= 0 && middle <= length;
}

function drawCrosshair(context: CanvasRenderingContext2D, cell: Cell, { viewport, inside, rulers, palette }: Marks): void {
  const { left, top } = rulers;
  // A cell of less than a pixel is still seen between two lines.
  const thick = Math.max(viewport.scale, palette.crosshair + 1) + 1;
  if (cell.query !== null) {
    const y = Math.round(top + (cell.query - viewport.y) * viewport.scale);
    context.strokeRect(left - 2.5, y - 0.5, inside.width + 4, thick);
  }
  if (cell.key !== null) {
    const x = Math.round(left + (cell.key - viewport.x) * viewport.scale);
    context.strokeRect(x - 0.5, top - 2.5, thick, inside.height + 4);
  }
}

/** Labels of the marked cells, and of as many others as can be read beside them. */
function drawRulers(context: CanvasRenderingContext2D, cells: Cell[], marks: Marks): void {
  const { viewport, inside, range, rulers, palette } = marks;
  const tight = palette.size + 1;
  // Either every token has its label, close together, or so few that they stand apart.
  const step = viewport.scale >= tight ? 1 : labelStep(viewport.scale, palette.size + 6);
  const needed = step === 1 ? tight : palette.size + 4;
  const queries = { range: range.rows, start: viewport.y, offset: rulers.top, length: inside.height };
  const keys = { range: range.columns, start: viewport.x, offset: rulers.left, length: inside.width };
  for (const [axis, name] of [[queries, "query"], [keys, "key"]] as const) {
    const strong = cells.flatMap((cell) => cell[name] ?? []);
    const middle = (position: number) => axis.offset + (position + 0.5 - axis.start) * viewport.scale;
    const apart = (at: number, others: number[]) => others.every((other) => Math.abs(middle(other) - at) >= needed);
    const draw = (position: number, isStrong: boolean) => drawLabel(context, name, position, middle(position), step > 1, isStrong, marks);
    for (const position of labelled(...axis.range, step)) {
      const at = middle(position);
      if (at >= axis.offset && at <= axis.offset + axis.length && apart(at, strong)) draw(position, false);
    }
    // Where two marked ones meet, the last is read: the one under the pointer.
    strong.forEach((position, index) => {
      if (apart(middle(position), strong.slice(index + 1))) draw(position, true);
    });
  }
  context.font = palette.words;
  context.fillStyle = palette.faint;
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  context.fillText("key →", 0, rulers.top - 2.8 * palette.size);
  context.fillText("query ↓", 0, rulers.top - 1.4 * palette.size);
}

/** A query's label ends at the map; a key's goes up from it. Positions stand at the map, where a long token is not cut. */
function drawLabel(
  context: CanvasRenderingContext2D,
  axis: "query" | "key",
  position: number,
  at: number,
  numbered: boolean,
  strong: boolean,
  { rulers, sides, palette }: Marks,
): void {
  const token = (axis === "query" ? sides.queries : sides.keys)[position];
  const room = (axis === "query" ? rulers.left : rulers.top) - GAP;
  const number = numbered || strong ? String(position) : "";
  context.save();
  context.font = palette.words;
  const taken = number ? context.measureText(number).width + 4 : 0;
  const longest = Math.max(8, room - taken);
  const width = Math.min(longest, tokenWidth(context, token, palette));
  if (axis === "query") context.translate(room, at);
  else {
    context.translate(at, rulers.top - GAP);
    context.rotate(-Math.PI / 2);
  }
  drawToken(context, token, { left: axis === "query" ? -width - taken : taken, middle: 0, longest, palette, strong });
  context.font = palette.words;
  context.textAlign = axis === "query" ? "right" : "left";
  context.textBaseline = "middle";
  context.fillStyle = strong ? palette.accent : palette.faint;
  context.fillText(number, 0, 0);
  context.restore();
}

/** The value, beside its cell. */
function drawValue(context: CanvasRenderingContext2D, query: number, key: number, marks: Marks): void {
  const { viewport, rulers, inside, palette } = marks;
  const text = marks.value(query, key);
  context.font = palette.code;
  const [width, height] = [context.measureText(text).width + 10, palette.size + 8];
  const beside = (position: number, start: number, offset: number, length: number, needed: number) => {
    const after = offset + (position + 1 - start) * viewport.scale + 8;
    const before = offset + (position - start) * viewport.scale - 8 - needed;
    return after + needed > offset + length && before >= 0 ? before : after;
  };
  const x = beside(key, viewport.x, rulers.left, inside.width, width);
  const y = beside(query, viewport.y, rulers.top, inside.height, height);
  context.fillStyle = marks.pointed ? palette.text : palette.faint;
  context.beginPath();
  context.roundRect(x, y, width, height, 3);
  context.fill();
  context.fillStyle = palette.paper;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, x + 5, y + height / 2 + 0.5);
}
