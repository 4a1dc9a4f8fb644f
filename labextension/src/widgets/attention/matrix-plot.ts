/** One head's map on one canvas, and on another above it what follows the pointer: crosshair, value and rulers. */

import { type Frame, Surface } from "../../lib/canvas.ts";
import { colorOf, readableOn } from "../../lib/color.ts";
import { make } from "../../lib/elements.ts";
import { float32Text, short } from "../../lib/numbers.ts";
import { type Palette, paletteOf } from "../../lib/palette.ts";
import type { Extent, Size, Viewport } from "../../lib/tiles.ts";
import type { Sides } from "./chosen.ts";
import { ExactBlocks } from "./matrix-exact.ts";
import { type Cell, drawMarks } from "./matrix-marks.ts";
import { type HeadQuestion, HeadTiles, type Paint, type TileCache } from "./matrix-tiles.ts";
import type { Context } from "./view.ts";

export interface Shown {
  viewport: Viewport;
  /** How numbers become colours; null until the first tile is there. */
  how: Paint | null;
  hover: Cell;
  chosen: Cell;
  /** Which of the maps the pointer is over, this one or another one beside it. */
  pointed: boolean;
  /** Whether the map is being dragged. */
  moving: boolean;
}

/** Cells of at least so many pixels are set apart, and have their number written into them. */
const [APART, WRITTEN] = [12, 36];

export class HeadPlot {
  readonly element = make("div", { class: "gpt-plot" });
  readonly tiles: HeadTiles;
  readonly exact: ExactBlocks;
  #base: Surface;
  #above: Surface;
  #palette: Palette;

  constructor(
    readonly context: Context,
    readonly question: HeadQuestion,
    readonly size: Size,
    readonly sides: Sides,
    cache: TileCache,
    readonly shown: () => Shown,
    on: { tile(): void; exact(): void },
  ) {
    const failed = (error: unknown) => context.failed(error);
    this.tiles = new HeadTiles(question, size, context.source, cache, { change: on.tile, failed });
    this.exact = new ExactBlocks(question, size, context.source, { change: on.exact, failed });
    this.#palette = paletteOf(this.element, context.dark());
    this.#base = new Surface(this.element, (frame) => this.#drawMap(frame));
    this.#above = new Surface(this.element, (frame) => this.#drawMarks(frame));
  }

  /** Room for the rulers: that of the queries to the left, that of the keys above. */
  get rulers(): { left: number; top: number } {
    const narrow = this.#base.width < 420;
    const letters = this.#palette.size / 11;
    return { left: Math.round((narrow ? 60 : 80) * letters), top: Math.round((narrow ? 56 : 68) * letters) };
  }

  /** Room for the map. */
  get extent(): Extent {
    const { left, top } = this.rulers;
    return { width: Math.max(1, this.#base.width - left), height: Math.max(1, this.#base.height - top) };
  }

  get ratio(): number {
    return this.#base.ratio;
  }

  /** What is seen, lowest first. */
  get canvases(): HTMLCanvasElement[] {
    return [this.#base.canvas, this.#above.canvas];
  }

  /** The cell at a place of the element; null: none there. */
  cellAt(at: { left: number; top: number }): { query: number; key: number } | null {
    const { viewport } = this.shown();
    const query = Math.floor((at.top - this.rulers.top) / viewport.scale + viewport.y);
    const key = Math.floor((at.left - this.rulers.left) / viewport.scale + viewport.x);
    const inside = at.top >= this.rulers.top && at.left >= this.rulers.left;
    return inside && query < this.size.rows && key < this.size.columns ? { query, key } : null;
  }

  /** The weight of a cell as text: exact, or with ≈ until the exact one is there. */
  valueText(query: number, key: number): string {
    const exact = this.exact.get(query, key);
    if (exact !== undefined) return float32Text(exact);
    const near = this.tiles.approximate(query, key);
    return near ? `≈ ${short(near.value)}` : "…";
  }

  resize(): void {
    this.#palette = paletteOf(this.element, this.context.dark());
    this.#base.resize();
    this.#above.resize();
  }

  redraw(): void {
    this.#base.redraw();
    this.#above.redraw();
  }

  /** Only what follows the pointer. */
  mark(): void {
    this.#above.redraw();
  }

  /** The colours of the page are others now. */
  recolor(): void {
    this.#palette = paletteOf(this.element, this.context.dark());
    this.redraw();
  }

  destroy(): void {
    this.tiles.close();
    this.exact.close();
    this.#base.destroy();
    this.#above.destroy();
    this.element.remove();
  }

  #drawMap({ context, ratio }: Frame): void {
    const { viewport, how, moving } = this.shown();
    const { left, top } = this.rulers;
    const { width, height } = this.#inside(viewport);
    context.fillStyle = this.#palette.paper;
    context.fillRect(left, top, width, height);
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    if (how) {
      context.save();
      context.setTransform(1, 0, 0, 1, Math.round(left * ratio), Math.round(top * ratio));
      this.tiles.draw(context, viewport, { width, height }, ratio, how, moving);
      context.restore();
      context.translate(left, top);
      if (viewport.scale >= APART) this.#setApart(context, viewport);
      if (viewport.scale >= WRITTEN) this.#writeNumbers(context, viewport, how);
      if (this.question.hide_sink) this.#hatchSink(context, viewport, height);
    }
    context.restore();
    context.strokeStyle = this.#palette.line;
    context.lineWidth = 1;
    context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
  }

  /** The part of the extent that the matrix fills. */
  #inside({ x, y, scale }: Viewport): Extent {
    const { width, height } = this.extent;
    return { width: Math.min(width - 1, (this.size.columns - x) * scale), height: Math.min(height - 1, (this.size.rows - y) * scale) };
  }

  /** The rows and columns that are seen. */
  #range({ x, y, scale }: Viewport): { rows: [number, number]; columns: [number, number] } {
    const { width, height } = this.#inside({ x, y, scale });
    return {
      rows: [Math.max(0, Math.floor(y)), Math.min(this.size.rows, Math.ceil(y + height / scale))],
      columns: [Math.max(0, Math.floor(x)), Math.min(this.size.columns, Math.ceil(x + width / scale))],
    };
  }

  #setApart(context: CanvasRenderingContext2D, viewport: Viewport): void {
    const { rows, columns } = this.#range(viewport);
    const { width, height } = this.#inside(viewport);
    context.fillStyle = this.#palette.paper;
    for (let row = rows[0]; row <= rows[1]; row++) context.fillRect(0, Math.round((row - viewport.y) * viewport.scale) - 0.5, width, 1);
    for (let column = columns[0]; column <= columns[1]; column++) {
      context.fillRect(Math.round((column - viewport.x) * viewport.scale) - 0.5, 0, 1, height);
    }
  }

  #writeNumbers(context: CanvasRenderingContext2D, viewport: Viewport, how: Paint): void {
    const { rows, columns } = this.#range(viewport);
    context.font = this.#palette.code;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let query = rows[0]; query < rows[1]; query++) {
      for (let key = columns[0]; key < columns[1]; key++) {
        const value = this.exact.get(query, key) ?? this.tiles.approximate(query, key)?.value;
        if (value === undefined || value < 0.005) continue;
        context.fillStyle = readableOn(colorOf(value, how.span, how.scale));
        const text = value >= 0.995 ? "1" : value.toFixed(2).slice(1);
        context.fillText(text, (key - viewport.x + 0.5) * viewport.scale, (query - viewport.y + 0.5) * viewport.scale);
      }
    }
  }

  /** The plain sign of a hidden sink: its column is hatched. */
  #hatchSink(context: CanvasRenderingContext2D, viewport: Viewport, height: number): void {
    const right = (1 - viewport.x) * viewport.scale;
    if (right <= 0) return;
    const width = Math.max(4, right);
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    context.strokeStyle = this.#palette.faint;
    context.globalAlpha = 0.5;
    context.lineWidth = 1;
    context.beginPath();
    for (let y = -width; y < height; y += 5) {
      context.moveTo(0, y + width);
      context.lineTo(width, y);
    }
    context.stroke();
    context.restore();
  }

  #drawMarks({ context }: Frame): void {
    const { viewport, hover, chosen, pointed } = this.shown();
    drawMarks(context, {
      viewport, hover, chosen, pointed,
      inside: this.#inside(viewport),
      range: this.#range(viewport),
      rulers: this.rulers,
      sides: this.sides,
      palette: this.#palette,
      value: (query, key) => this.valueText(query, key),
    });
  }
}
