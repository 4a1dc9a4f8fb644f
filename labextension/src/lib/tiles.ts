/**
 * A large matrix as a pyramid of tiles, as maps on the web have them.
 *
 * At level 0 a pixel of a tile is one cell of the matrix; at level l it stands for 2^l × 2^l cells. The highest level is
 * one tile, which shows everything coarsely and is fetched first.
 */

export const TILE = 256;

/** What is seen: the cell at the upper left corner, and how many pixels of the screen a cell has. */
export interface Viewport {
  x: number;
  y: number;
  scale: number;
}

export interface Size {
  rows: number;
  columns: number;
}

/** A rectangle of a screen, in its pixels. */
export interface Extent {
  width: number;
  height: number;
}

export interface TilePlace {
  level: number;
  row: number;
  column: number;
}

/** The level that is one tile. */
export function topLevel({ rows, columns }: Size): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(rows, columns) / TILE)));
}

/** The level whose pixels are about as large as the screen's, for a cell of `scale` device pixels. */
export function levelFor(scale: number, size: Size): number {
  const wanted = Math.ceil(Math.log2(0.75 / scale));
  return Math.min(topLevel(size), Math.max(0, wanted));
}

/** The rows and columns of the matrix that a tile covers, half-open. */
export function covered({ level, row, column }: TilePlace, size: Size): { rows: [number, number]; columns: [number, number] } {
  const side = TILE * 2 ** level;
  return {
    rows: [row * side, Math.min(size.rows, (row + 1) * side)],
    columns: [column * side, Math.min(size.columns, (column + 1) * side)],
  };
}

/** The tiles of a level that are seen, those nearest to the middle first. */
export function visibleTiles(level: number, viewport: Viewport, extent: Extent, size: Size): TilePlace[] {
  const side = TILE * 2 ** level;
  const [top, bottom] = [Math.max(0, viewport.y), Math.min(size.rows, viewport.y + extent.height / viewport.scale)];
  const [left, right] = [Math.max(0, viewport.x), Math.min(size.columns, viewport.x + extent.width / viewport.scale)];
  if (top >= bottom || left >= right) return [];
  const found: TilePlace[] = [];
  for (let row = Math.floor(top / side); row * side < bottom; row++) {
    for (let column = Math.floor(left / side); column * side < right; column++) found.push({ level, row, column });
  }
  const [middleRow, middleColumn] = [(top + bottom) / 2 / side - 0.5, (left + right) / 2 / side - 0.5];
  const distance = (tile: TilePlace) => (tile.row - middleRow) ** 2 + (tile.column - middleColumn) ** 2;
  return found.sort((a, b) => distance(a) - distance(b));
}

/** The viewport that shows everything; small matrices get cells of at most `largest` pixels. */
export function fitted(size: Size, extent: Extent, largest: number): Viewport {
  const scale = Math.min(largest, extent.width / size.columns, extent.height / size.rows);
  return { x: 0, y: 0, scale: Math.max(scale, 1e-6) };
}

/** The viewport moved so that nothing but the matrix is seen where that can be. */
export function clamped(viewport: Viewport, size: Size, extent: Extent): Viewport {
  const inside = (start: number, length: number, shown: number) => Math.min(Math.max(0, length - shown), Math.max(0, start));
  return {
    scale: viewport.scale,
    x: inside(viewport.x, size.columns, extent.width / viewport.scale),
    y: inside(viewport.y, size.rows, extent.height / viewport.scale),
  };
}

/** The viewport zoomed by a factor, with the point (left, top) of the screen staying where it is. */
export function zoomed(
  viewport: Viewport,
  factor: number,
  at: { left: number; top: number },
  limits: { smallest: number; largest: number },
): Viewport {
  const scale = Math.min(limits.largest, Math.max(limits.smallest, viewport.scale * factor));
  return {
    scale,
    x: viewport.x + at.left / viewport.scale - at.left / scale,
    y: viewport.y + at.top / viewport.scale - at.top / scale,
  };
}
