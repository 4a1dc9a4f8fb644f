/**
 * One head's map as tiles: asked for as they are needed, cancelled when they are no longer seen, drawn coarse until the
 * fine ones are there. Each pixel of a coarse tile is the largest of its cells, so that a line of single cells stays seen.
 */

import { bitmap } from "../../lib/canvas.ts";
import { lookupTable, paint, scaleEnd, type Scale, type Span } from "../../lib/color.ts";
import { Lru } from "../../lib/lru.ts";
import { covered, type Extent, levelFor, type Size, TILE, type TilePlace, topLevel, type Viewport, visibleTiles } from "../../lib/tiles.ts";
import type { Reduction } from "../../protocol.ts";
import type { MapQuestion, Picture, Source } from "./source.ts";

/** Which head's map, and how it is shown. */
export type HeadQuestion = Omit<MapQuestion, "queries" | "keys">;

interface Tile {
  picture: Picture;
  canvas: HTMLCanvasElement | null;
  /** With what the canvas was painted. */
  painted: string;
}

export interface Paint {
  span: Span;
  scale: Scale;
  /** Differs whenever span or scale do. */
  name: string;
}

/** Tiles of all heads that were looked at, those of the last ones kept. */
export type TileCache = Lru<Tile>;

/** About 80 MB at most, pixels and bitmaps together. */
export const tileCache = (): TileCache => new Lru(256);

const AT_ONCE = 4;

type TileQuestion = MapQuestion & { size: number; reduction: Reduction };

/** The question for a tile, whose pixels are the largest of their cells. */
function tileOf(question: HeadQuestion, place: TilePlace, size: Size): TileQuestion {
  const { rows, columns } = covered(place, size);
  return { ...question, queries: rows, keys: columns, size: TILE, reduction: "max" };
}

/** The question for the tile that shows a whole map, which is what is seen first of it. */
export function wholeMap(question: HeadQuestion, size: Size): TileQuestion {
  return tileOf(question, topOf(size), size);
}

function topOf(size: Size): TilePlace {
  return { level: topLevel(size), row: 0, column: 0 };
}

export class HeadTiles {
  #wanted: TilePlace[] = [];
  #running = new Map<string, AbortController>();
  #failures = new Set<string>();
  #end: number | null = null;

  constructor(
    readonly question: HeadQuestion,
    readonly size: Size,
    readonly source: Source,
    readonly cache: TileCache,
    readonly on: { change(): void; failed(error: unknown): void },
  ) {}

  /** The largest weight of the map and where its colour scale ends; null until the coarsest tile is there. */
  get peak(): { peak: number; end: number } | null {
    const tile = this.#tile(topOf(this.size));
    if (!tile) return null;
    const { pixels, peak } = tile.picture;
    this.#end ??= scaleEnd(pixels, peak);
    return { peak, end: this.#end };
  }

  /** How many of the tiles that are seen are not there yet. */
  get missing(): number {
    return this.#wanted.filter((place) => !this.cache.has(this.#key(place))).length;
  }

  /** Asks for the coarsest tile, before it is known what of the map is seen. */
  wantFirst(): void {
    this.#wanted = [topOf(this.size)];
    this.#next();
  }

  /** Asks for what is seen, the coarsest tile first, and for nothing else. */
  want(viewport: Viewport, extent: Extent, ratio: number): void {
    const level = levelFor(viewport.scale * ratio, this.size);
    const top = topOf(this.size);
    const seen = level === top.level ? [] : visibleTiles(level, viewport, extent, this.size);
    this.#wanted = [top, ...seen];
    const keys = new Set(this.#wanted.map((place) => this.#key(place)));
    for (const [key, controller] of this.#running) {
      if (keys.has(key)) continue;
      controller.abort();
      this.#running.delete(key);
    }
    this.#next();
  }

  /** Draws what is there: coarse tiles below, finer ones above; in device pixels. */
  draw(context: CanvasRenderingContext2D, viewport: Viewport, extent: Extent, ratio: number, how: Paint, moving: boolean): void {
    const fine = levelFor(viewport.scale * ratio, this.size);
    for (let level = topLevel(this.size); level >= fine; level--) {
      for (const place of visibleTiles(level, viewport, extent, this.size)) {
        const tile = this.#tile(place);
        if (!tile) continue;
        const { rows, columns } = covered(place, this.size);
        const [left, right] = columns.map((column) => Math.round((column - viewport.x) * viewport.scale * ratio)) as [number, number];
        const [top, bottom] = rows.map((row) => Math.round((row - viewport.y) * viewport.scale * ratio)) as [number, number];
        // Nearly one to one, cells of unequal width would look like a pattern of the map; while it moves nobody sees that.
        context.imageSmoothingEnabled = !moving && right - left < 2 * tile.picture.columns;
        context.drawImage(painted(tile, how), left, top, right - left, bottom - top);
      }
    }
  }

  /** What the finest picture that is there says of a cell, and how many cells each of its pixels stands for. */
  approximate(query: number, key: number): { value: number; cells: number } | null {
    for (let level = 0; level <= topLevel(this.size); level++) {
      const side = TILE * 2 ** level;
      const place = { level, row: Math.floor(query / side), column: Math.floor(key / side) };
      const tile = this.#tile(place);
      if (!tile) continue;
      const { rows, columns } = covered(place, this.size);
      const { picture } = tile;
      const row = Math.floor(((query - rows[0]) / (rows[1] - rows[0])) * picture.rows);
      const column = Math.floor(((key - columns[0]) / (columns[1] - columns[0])) * picture.columns);
      return { value: ((picture.pixels[row * picture.columns + column] ?? 0) / 255) * picture.peak, cells: 2 ** level };
    }
    return null;
  }

  /** Cancels every request. */
  close(): void {
    this.#wanted = [];
    for (const controller of this.#running.values()) controller.abort();
    this.#running.clear();
  }

  #next(): void {
    // Until the coarsest tile is there nothing can be drawn, so that nothing else is asked for.
    const top = topOf(this.size);
    const coming = !this.cache.has(this.#key(top)) && !this.#failures.has(this.#key(top));
    for (const place of coming ? [top] : this.#wanted) {
      if (this.#running.size >= AT_ONCE) return;
      const key = this.#key(place);
      if (!this.cache.has(key) && !this.#running.has(key) && !this.#failures.has(key)) void this.#fetch(place, key);
    }
  }

  async #fetch(place: TilePlace, key: string): Promise<void> {
    const controller = new AbortController();
    this.#running.set(key, controller);
    const first = place.level === topLevel(this.size);
    try {
      const picture = await this.source.tile(tileOf(this.question, place, this.size), { signal: controller.signal, first });
      if (controller.signal.aborted) return;
      this.cache.set(key, { picture, canvas: null, painted: "" });
    } catch (error) {
      if (controller.signal.aborted) return;
      this.#failures.add(key);
      this.on.failed(error);
    }
    this.#running.delete(key);
    this.#next();
    this.on.change();
  }

  #tile(place: TilePlace): Tile | undefined {
    return this.cache.get(this.#key(place));
  }

  #key({ level, row, column }: TilePlace): string {
    const { which, part, layer, head, hide_sink } = this.question;
    return [which, part, layer, head, hide_sink, level, row, column].join("/");
  }
}

function painted(tile: Tile, how: Paint): HTMLCanvasElement {
  const { rows, columns, peak, pixels } = tile.picture;
  tile.canvas ??= bitmap(columns, rows).canvas;
  if (tile.painted !== how.name) {
    const context = tile.canvas.getContext("2d") as CanvasRenderingContext2D;
    const image = context.createImageData(columns, rows);
    paint(pixels, lookupTable(peak, how.span, how.scale), image.data);
    context.putImageData(image, 0, 0);
    tile.painted = how.name;
  }
  return tile.canvas;
}
