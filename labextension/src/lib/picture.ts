/**
 * What is seen of an element as a picture: its grounds, its text where it stands, and its canvases.
 *
 * Borders, shadows and gradients are left out: what carries data is text, colour and what was drawn.
 */

/** Pixels around what is seen. */
const MARGIN = 8;

interface Drawing {
  /** The box of what is drawn. */
  within: DOMRect;
  parts: string[];
  omits(element: Element): boolean;
}

/** As SVG; `ground` is the colour behind all, and what `omits` says of an element leaves it out. */
export function svgOf(element: HTMLElement, ground: string, omits: (element: Element) => boolean = () => false): string {
  const within = element.getBoundingClientRect();
  const [width, height] = [within.width, within.height].map((length) => Math.ceil(length) + 2 * MARGIN);
  const parts: string[] = [];
  draw(element, within, { within, parts, omits });
  const size = `width="${width}" height="${height}"`;
  const inside = `<g transform="translate(${MARGIN} ${MARGIN})">${parts.join("")}</g>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} viewBox="0 0 ${width} ${height}"><rect ${size} fill="${ground}"/>${inside}</svg>`;
}

/** An SVG as PNG, with `ratio` pixels for each of its own. */
export async function pngOfSvg(svg: string, ratio: number): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(image.width * ratio), Math.round(image.height * ratio)];
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("this browser made no picture: make the panel smaller"))));
  });
}

/** Draws what of an element can be seen in a box. */
function draw(element: Element, seen: DOMRect, drawing: Drawing): void {
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  if (style.display === "none" || style.visibility === "hidden" || drawing.omits(element)) return;
  if (box.width > 0 && !meet(box, seen)) return;
  const { within, parts } = drawing;
  if (!isClear(style.backgroundColor) && box.width > 0) {
    const round = Math.min(box.height / 2, Number.parseFloat(style.borderTopLeftRadius) || 0);
    const fill = `fill="${style.backgroundColor}"${style.opacity === "1" ? "" : ` opacity="${style.opacity}"`}`;
    parts.push(`<rect ${at(box, within)} width="${fixed(box.width)}" height="${fixed(box.height)}" rx="${round}" ${fill}/>`);
  }
  if (element instanceof HTMLCanvasElement && element.width > 0) {
    const size = `width="${fixed(box.width)}" height="${fixed(box.height)}" preserveAspectRatio="none"`;
    parts.push(`<image ${at(box, within)} ${size} href="${element.toDataURL()}"/>`);
  }
  // What is scrolled out of sight is not seen.
  const clips = style.overflowY !== "visible" && style.display !== "inline";
  const inside = clips ? intersection(box, seen) : seen;
  for (const child of element.childNodes) {
    if (child instanceof Text) write(child, style, inside, drawing);
    else if (child instanceof Element) draw(child, inside, drawing);
  }
}

/** Whether a computed colour lets all through. */
export function isClear(color: string): boolean {
  return /(, 0|\/ 0)\)$/.test(color);
}

/** Each line of a text where it stands. */
function write(text: Text, style: CSSStyleDeclaration, seen: DOMRect, { within, parts }: Drawing): void {
  const content = text.data;
  if (!content.trim()) return;
  const range = document.createRange();
  range.selectNodeContents(text);
  const lines = [...range.getClientRects()];
  const pieces = lines.length === 1 ? [{ start: content.search(/\S/u), end: content.trimEnd().length }] : wordsOf(content);
  const font = `font-family="${escaped(style.fontFamily)}" font-size="${style.fontSize}" font-weight="${style.fontWeight}" opacity="${style.opacity}"`;
  for (const { start, end } of pieces) {
    range.setStart(text, start);
    range.setEnd(text, end);
    const box = range.getBoundingClientRect();
    if (box.width === 0 || !meet(box, seen)) continue;
    const middle = `x="${fixed(box.left - within.left)}" y="${fixed(box.top - within.top + box.height / 2)}" dominant-baseline="central"`;
    const length = `textLength="${fixed(box.width)}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"`;
    parts.push(`<text ${middle} ${length} ${font} fill="${style.color}">${escaped(content.slice(start, end))}</text>`);
  }
}

function wordsOf(text: string): { start: number; end: number }[] {
  return [...text.matchAll(/\S+/gu)].map(({ index, 0: word }) => ({ start: index, end: index + word.length }));
}

function meet(one: DOMRect, other: DOMRect): boolean {
  return one.right > other.left && one.left < other.right && one.bottom > other.top && one.top < other.bottom;
}

function intersection(one: DOMRect, other: DOMRect): DOMRect {
  const [left, top] = [Math.max(one.left, other.left), Math.max(one.top, other.top)];
  return new DOMRect(left, top, Math.max(0, Math.min(one.right, other.right) - left), Math.max(0, Math.min(one.bottom, other.bottom) - top));
}

function at(box: DOMRect, within: DOMRect): string {
  return `x="${fixed(box.left - within.left)}" y="${fixed(box.top - within.top)}"`;
}

function fixed(value: number): string {
  return String(Math.round(100 * value) / 100);
}

/** A text within XML, of which some characters cannot be part, not even escaped: https://www.w3.org/TR/xml/#charsets. */
export function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
