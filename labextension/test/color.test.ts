import assert from "node:assert/strict";
import { test } from "node:test";
import { colorOf, css, diverging, lookupTable, paint, paper, place, readableOn, scaleEnd, sequential, valueAt } from "../src/lib/color.ts";

const hex = (text: string) => [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));
const lightness = ([red, green, blue]: readonly number[]) => 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;

for (const dark of [false, true]) {
  const theme = dark ? "dark" : "light";

  test(`the sequential scale goes steadily from paper to ink (${theme})`, () => {
    const colors = sequential(dark).colors;
    assert.deepEqual(colors[0], hex(paper(dark)));
    const steps = colors.slice(1).map((color, i) => (lightness(color) - lightness(colors[i]!)) * (dark ? 1 : -1));
    assert.ok(steps.every((step) => step >= 0));
    assert.ok(Math.abs(lightness(colors.at(-1)!) - lightness(colors[0]!)) > 180);
  });

  test(`the diverging scale has paper in its middle, blue below and orange above (${theme})`, () => {
    const { colors } = diverging(dark);
    const span = { low: -1, high: 1, log: false };
    assert.deepEqual(colorOf(0, span, diverging(dark)), hex(paper(dark)));
    const [low, high] = [colors[40]!, colors[colors.length - 41]!];
    assert.ok(low[2] > low[0] && high[0] > high[2]);
  });
}

test("a linear and a logarithmic place lead back to the value", () => {
  for (const log of [false, true]) {
    const span = { low: 0, high: 0.4, log };
    for (const value of [0, 0.001, 0.1, 0.4]) assert.ok(Math.abs(valueAt(place(value, span), span) - value) < 1e-12);
  }
  assert.equal(place(7, { low: 0, high: 1, log: false }), 1);
  assert.equal(place(-7, { low: 0, high: 1, log: true }), 0);
});

test("a logarithmic scale gives small values more than their share", () => {
  assert.ok(place(0.01, { low: 0, high: 1, log: true }) > 0.2);
});

test("a picture is painted in the colours of its values, whatever its own peak is", () => {
  const span = { low: 0, high: 1, log: false };
  const scale = sequential(false);
  const pixels = Uint8Array.of(0, 255);
  const image = new Uint8ClampedArray(8);
  paint(pixels, lookupTable(0.5, span, scale), image);
  assert.deepEqual([...image], [...colorOf(0, span, scale), 255, ...colorOf(0.5, span, scale), 255]);
});

test("a few outliers do not make all others pale, but a map of equal weights keeps its peak", () => {
  const faint = new Uint8Array(10_000).fill(20);
  faint[0] = 255;
  assert.ok(scaleEnd(faint, 1) < 0.1);
  assert.equal(scaleEnd(Uint8Array.of(0, 0, 200, 255), 0.3), 0.3);
  assert.equal(scaleEnd(new Uint8Array(4), 0), 0);
});

test("text is readable on its ground", () => {
  assert.equal(readableOn([255, 255, 255]), "#000000");
  assert.equal(readableOn([10, 31, 68]), "#ffffff");
  assert.equal(css([1, 2, 3]), "rgb(1 2 3)");
});
