/** Where each head's small picture is: a few large ones, all of them layer by layer, or all by score. Knows no canvas. */

import type { AttentionPart } from "../../protocol.ts";
import type { Table } from "./source.ts";
import type { Head } from "./state.ts";

export interface Place extends Head {
  left: number;
  top: number;
  side: number;
  /** In which line of pictures, counted from 0. */
  line: number;
}

export interface Layout {
  places: Place[];
  height: number;
  /** Pixels below each picture: for a label, or for a bar only. */
  below: number;
  /** Layers' names, at the left of their first line. */
  layers: { layer: number; top: number }[];
  /** Heads that share one key head, underlined together. */
  groups: { left: number; top: number; width: number }[];
}

export type Arrangement = "few" | "layers" | "score";

export const FEW = 12;
/** Pixels: of a picture that can still be read, of one that need not be larger, and between pictures. */
const [READABLE, AMPLE, GAP] = [20, 44, 2];
const [GUTTER, LABEL, BAR] = [24, 18, 8];
/** Between pictures that have labels, and between groups. */
const [APART, GROUP_GAP] = [4, 6];

/** All heads of a part that there are, layer by layer. */
export function headsOf(part: AttentionPart): Head[] {
  return part.heads.flatMap((count, layer) => Array.from({ length: count }, (_, head) => ({ layer, head })));
}

/** The heads with the highest scores first; those without a score last. */
export function ranked(heads: Head[], scores: Table): Head[] {
  const score = ({ layer, head }: Head) => scores[layer]?.[head] ?? -Infinity;
  return [...heads].sort((a, b) => score(b) - score(a) || a.layer - b.layer || a.head - b.head);
}

/** Pictures with labels, in lines of equal length. */
export function inLines(heads: Head[], width: number, { least, most }: { least: number; most: number }): Layout {
  const fitting = Math.max(1, Math.floor((width + APART) / (least + APART)));
  const count = Math.max(1, heads.length);
  // Lines of equal length look better than a last line of one or two.
  const columns = fitting >= count ? count : Math.ceil(count / Math.ceil(count / fitting));
  const side = Math.min(most, Math.floor((width + APART) / columns) - APART);
  const pitch = side + APART + LABEL;
  const places = heads.map((head, index): Place => {
    const line = Math.floor(index / columns);
    return { ...head, left: 0, top: line * pitch, side, line };
  });
  // Two gaps between columns where they fit, otherwise one.
  const step = Math.min(side + 2 * APART, columns > 1 ? (width - side) / (columns - 1) : side);
  places.forEach((place, index) => (place.left = Math.floor((index % columns) * step)));
  return { places, height: Math.ceil(count / columns) * pitch, below: LABEL, layers: [], groups: [] };
}

/** Layer by layer; where a layer's heads don't fit in a readable size they go on in a next line. */
export function byLayer(part: AttentionPart, width: number): Layout {
  const most = Math.max(1, ...part.heads);
  const shared = part.heads.map((count, layer) => (part.key_heads[layer] ? Math.max(1, Math.floor(count / (part.key_heads[layer] as number))) : 1));
  const largest = Math.max(1, ...shared);
  const room = width - GUTTER;
  const gaps = (columns: number) => (largest > 1 ? (Math.ceil(columns / largest) - 1) * GROUP_GAP : 0);
  let columns = most;
  while (columns > 1 && (room - gaps(columns)) / columns < READABLE + GAP) columns--;
  if (columns < most) {
    // Lines of equal length, which end where a group ends.
    const even = Math.ceil(most / Math.ceil(most / columns));
    const whole = Math.ceil(even / largest) * largest;
    columns = whole <= columns ? whole : columns > largest ? columns - (columns % largest) : even;
  }
  const side = Math.max(8, Math.min(AMPLE, Math.floor((room - gaps(columns)) / columns) - GAP));
  const found: Layout = { places: [], height: 0, below: BAR, layers: [], groups: [] };
  let [top, line] = [0, 0];
  part.heads.forEach((count, layer) => {
    const group = shared[layer] as number;
    found.layers.push({ layer, top: top + side / 2 });
    for (let head = 0; head < Math.max(1, count); head++) {
      if (head > 0 && head % columns === 0) {
        top += side + BAR;
        line++;
      }
      if (head >= count) continue;
      const column = head % columns;
      const left = GUTTER + column * (side + GAP) + (group > 1 ? Math.floor(column / group) * GROUP_GAP : 0);
      found.places.push({ layer, head, left, top, side, line });
      const last = found.groups.at(-1);
      if (group > 1 && head % group > 0 && last && last.top === top + side) last.width = left + side - last.left;
      else if (group > 1) found.groups.push({ left, top: top + side, width: side });
    }
    top += side + BAR + (columns < most ? GROUP_GAP : 0);
    line++;
  });
  found.height = top;
  return found;
}

/** The head at a place; undefined: none there. */
export function headAt({ places, below }: Layout, left: number, top: number): Place | undefined {
  return places.find((each) => left >= each.left && left < each.left + each.side + GAP && top >= each.top && top < each.top + each.side + below);
}

/** The head one goes to from another by an arrow key. */
export function neighbour({ places }: Layout, from: Head, key: string): Place | undefined {
  const index = places.findIndex((each) => each.layer === from.layer && each.head === from.head);
  const here = places[index];
  if (!here) return places[0];
  if (key === "ArrowLeft") return places[index - 1] ?? here;
  if (key === "ArrowRight") return places[index + 1] ?? here;
  if (key === "Home") return places[0];
  if (key === "End") return places.at(-1);
  const down = key === "ArrowDown" ? 1 : -1;
  const lines = places.map((each) => each.line).filter((line) => (line - here.line) * down > 0);
  if (lines.length === 0) return here;
  const line = down > 0 ? Math.min(...lines) : Math.max(...lines);
  return places
    .filter((each) => each.line === line)
    .reduce((best, each) => (Math.abs(each.left - here.left) < Math.abs(best.left - here.left) ? each : best));
}
