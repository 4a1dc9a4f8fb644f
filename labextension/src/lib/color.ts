/**
 * Colours for numbers: a sequential scale from paper to ink, a diverging one from blue over paper to orange, and the
 * tables that paint uint8 pictures with them.
 *
 * The scales are interpolated in OKLab (Björn Ottosson 2020, https://bottosson.github.io/posts/oklab/), where equal
 * steps look equal; blue and orange stay apart for every common kind of colour blindness. In the dark theme paper is
 * dark and ink is light, so that more is always further from what lies behind.
 */

export type Rgb = readonly [red: number, green: number, blue: number];

/** Colours at equal distances from 0 to 1. */
export interface Scale {
  readonly colors: readonly Rgb[];
}

export interface Span {
  /** The value that gets the first colour. */
  low: number;
  /** The value that gets the last colour; larger ones get it too. */
  high: number;
  /** Whether small values get more than their share: 256 steps of a logarithm, of which 0 is the first. */
  log: boolean;
}

const STEPS = 255;

const PAPER = { light: "#ffffff", dark: "#111111" };
const INK = {
  light: ["#d9e6f4", "#a5c5e8", "#639bd3", "#2d6db3", "#16437f", "#0a1f44"],
  dark: ["#1a2b40", "#1f4a77", "#2f72b3", "#5f9fdc", "#a3cbf1", "#eaf4ff"],
};
const BLUE = { light: ["#0b3c78", "#2f78bf", "#9cc4ea"], dark: ["#b5d8fb", "#4a93d9", "#1d456f"] };
const ORANGE = { light: ["#f7c48f", "#d97a1a", "#7c3a00"], dark: ["#6b3d10", "#d9852f", "#ffd9ae"] };

/** From paper to ink, for what is 0 or more. */
export function sequential(dark: boolean): Scale {
  return dark ? SEQUENTIAL.dark : SEQUENTIAL.light;
}

/** From blue over paper to orange, for differences around 0. */
export function diverging(dark: boolean): Scale {
  return dark ? DIVERGING.dark : DIVERGING.light;
}

export function paper(dark: boolean): string {
  return dark ? PAPER.dark : PAPER.light;
}

/** Where a value lies between the ends, 0 to 1. */
export function place(value: number, { low, high, log }: Span): number {
  const share = high > low ? (value - low) / (high - low) : value > low ? 1 : 0;
  const inside = Math.min(1, Math.max(0, share));
  return log ? Math.log1p(STEPS * inside) / Math.log1p(STEPS) : inside;
}

/** The value at a place between 0 and 1. */
export function valueAt(at: number, { low, high, log }: Span): number {
  const share = log ? Math.expm1(at * Math.log1p(STEPS)) / STEPS : at;
  return low + share * (high - low);
}

/** The colour of a value. */
export function colorOf(value: number, span: Span, scale: Scale): Rgb {
  const last = scale.colors.length - 1;
  return scale.colors[Math.round(place(value, span) * last)] as Rgb;
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** Black or white, whichever is easier to read on a colour. */
export function readableOn([red, green, blue]: Rgb): string {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000000" : "#ffffff";
}

/** For each pixel of a uint8 picture (`round(255 * value / peak)`) its colour, in the byte order of ImageData. */
export function lookupTable(peak: number, span: Span, scale: Scale): Uint32Array {
  const table = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(table.buffer);
  for (let pixel = 0; pixel < 256; pixel++) {
    bytes.set([...colorOf((pixel / 255) * peak, span, scale), 255], 4 * pixel);
  }
  return table;
}

/** Paints a uint8 picture into the pixels of an ImageData of the same size. */
export function paint(pixels: Uint8Array, table: Uint32Array, into: Uint8ClampedArray): void {
  const colors = new Uint32Array(into.buffer, into.byteOffset, into.byteLength >> 2);
  for (let i = 0; i < pixels.length; i++) colors[i] = table[pixels[i] as number] as number;
}

/**
 * The value at which a scale should end: the largest one, or, where a few outliers would leave all others pale, the one
 * that only a share `outliers` of those that are not 0 exceed.
 */
export function scaleEnd(pixels: Uint8Array, peak: number, outliers = 0.005): number {
  const counts = new Uint32Array(256);
  for (const pixel of pixels) counts[pixel] = (counts[pixel] as number) + 1;
  const present = pixels.length - (counts[0] as number);
  let above = 0;
  let end = 255;
  while (end > 1 && above + (counts[end] as number) <= outliers * present) {
    above += counts[end] as number;
    end--;
  }
  return end > 127 ? peak : (end / 255) * peak;
}

/** An odd number of colours, so that the one in the middle is exactly the middle stop. */
function scaleOf(stops: string[], length = 257): Scale {
  const points = stops.map(fromHex).map(toOklab);
  const colors = Array.from({ length }, (_, i): Rgb => {
    const at = (i / (length - 1)) * (points.length - 1);
    const left = Math.min(points.length - 2, Math.floor(at));
    const [a, b] = [points[left] as Rgb, points[left + 1] as Rgb];
    return toRgb([0, 1, 2].map((k) => mix(a[k] as number, b[k] as number, at - left)) as unknown as Rgb);
  });
  return { colors };
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}

function fromHex(hex: string): Rgb {
  const number = Number.parseInt(hex.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

function toOklab([red, green, blue]: Rgb): Rgb {
  const [r, g, b] = [linear(red), linear(green), linear(blue)];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function toRgb([lightness, a, b]: Rgb): Rgb {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    encoded(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    encoded(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    encoded(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function linear(channel: number): number {
  const share = channel / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

function encoded(share: number): number {
  const inside = Math.min(1, Math.max(0, share));
  return Math.round(255 * (inside <= 0.0031308 ? 12.92 * inside : 1.055 * inside ** (1 / 2.4) - 0.055));
}

const both = (stops: (theme: "light" | "dark") => string[]) => ({ light: scaleOf(stops("light")), dark: scaleOf(stops("dark")) });
const SEQUENTIAL = both((theme) => [PAPER[theme], ...INK[theme]]);
const DIVERGING = both((theme) => [...BLUE[theme], PAPER[theme], ...ORANGE[theme]]);
