import assert from "node:assert/strict";
import { test } from "node:test";
import { Lru } from "../src/lib/lru.ts";
import { labelled, labelStep } from "../src/lib/rulers.ts";
import { clamped, covered, fitted, levelFor, TILE, topLevel, visibleTiles, zoomed } from "../src/lib/tiles.ts";

const size = { rows: 4096, columns: 4096 };
const extent = { width: 600, height: 600 };

test("the highest level is one tile, the lowest has a pixel for each cell", () => {
  assert.equal(topLevel(size), 4);
  assert.equal(topLevel({ rows: 1, columns: 1 }), 0);
  assert.equal(topLevel({ rows: 256, columns: 257 }), 1);
  assert.equal(levelFor(1, size), 0);
  assert.equal(levelFor(1e-9, size), 4);
});

test("a level's pixels are never smaller than three quarters of the screen's, nor larger than one and a half", () => {
  for (let scale = 0.1; scale < 0.75; scale *= 1.07) {
    const pixel = scale * 2 ** levelFor(scale, size);
    assert.ok(pixel >= 0.75 && pixel < 1.5, `${scale}: ${pixel}`);
  }
});

test("tiles of a level cover the matrix without overlap, the last ones cut at its edge", () => {
  const odd = { rows: 700, columns: 300 };
  const whole = visibleTiles(0, fitted(odd, extent, 40), extent, odd);
  const cells = whole.map((tile) => covered(tile, odd)).reduce((sum, { rows, columns }) => sum + (rows[1] - rows[0]) * (columns[1] - columns[0]), 0);
  assert.equal(cells, 700 * 300);
  assert.equal(new Set(whole.map(({ row, column }) => `${row}/${column}`)).size, whole.length);
});

test("only tiles that are seen are asked for, those in the middle first", () => {
  const viewport = { x: 1000, y: 2000, scale: 2 };
  const tiles = visibleTiles(0, viewport, extent, size);
  for (const tile of tiles) {
    const { rows, columns } = covered(tile, size);
    assert.ok(rows[1] > 2000 && rows[0] < 2300 && columns[1] > 1000 && columns[0] < 1300);
  }
  assert.equal(tiles.length, 2 * 3);
  assert.deepEqual(tiles[0], { level: 0, row: Math.floor(2150 / TILE), column: Math.floor(1150 / TILE) });
  assert.deepEqual(visibleTiles(0, { x: 5000, y: 0, scale: 1 }, extent, size), []);
});

test("the point under the pointer stays there while zooming", () => {
  const before = { x: 100, y: 50, scale: 2 };
  const at = { left: 130, top: 70 };
  const after = zoomed(before, 3, at, { smallest: 0.1, largest: 40 });
  assert.equal(after.scale, 6);
  assert.ok(Math.abs(after.x + at.left / after.scale - (before.x + at.left / before.scale)) < 1e-9);
  assert.ok(Math.abs(after.y + at.top / after.scale - (before.y + at.top / before.scale)) < 1e-9);
  assert.equal(zoomed(before, 1e6, at, { smallest: 0.1, largest: 40 }).scale, 40);
});

test("one cannot leave the matrix, and a small one stays at the corner with cells of a comfortable size", () => {
  assert.deepEqual(clamped({ x: -5, y: 9999, scale: 1 }, size, extent), { x: 0, y: 3496, scale: 1 });
  assert.deepEqual(clamped({ x: 3, y: 3, scale: 40 }, { rows: 5, columns: 5 }, extent), { x: 0, y: 0, scale: 40 });
  assert.equal(fitted({ rows: 1, columns: 1 }, extent, 40).scale, 40);
});

test("what was not asked for the longest is forgotten first", () => {
  const kept = new Lru<number>(2);
  kept.set("a", 1);
  kept.set("b", 2);
  assert.equal(kept.get("a"), 1);
  kept.set("c", 3);
  assert.deepEqual(["a", "b", "c"].map((key) => kept.get(key)), [1, undefined, 3]);
  assert.equal(kept.size, 2);
});

test("labels are as many as can be read, at round positions", () => {
  assert.equal(labelStep(40, 15), 1);
  assert.equal(labelStep(8, 15), 2);
  assert.equal(labelStep(0.15, 15), 100);
  assert.equal(labelStep(0.001, 15), 20_000);
  assert.deepEqual(labelled(7, 31, 10), [10, 20, 30]);
  assert.deepEqual(labelled(0, 3, 1), [0, 1, 2]);
});
