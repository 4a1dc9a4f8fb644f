/** A long text in one line: where the weight lies, what can be seen now, numbers of positions; a click goes there. */

import { Endings } from "../../lib/asking.ts";
import { type Frame, Surface } from "../../lib/canvas.ts";
import { colorOf, css, place, sequential, type Span } from "../../lib/color.ts";
import { make } from "../../lib/elements.ts";
import { grouped } from "../../lib/numbers.ts";
import { type Palette, paletteOf } from "../../lib/palette.ts";

const BARS = 16;
/** Orange, as the marks of a search in the text. */
const FOUND = "#d97a1a";

export interface Shown {
  weights: Float32Array | null;
  span: Span;
  dark: boolean;
  count: number;
  chosen: number;
  found: ReadonlySet<number>;
  /** The first position that can be seen, and the last. */
  seen: readonly [first: number, last: number];
}

export class Minimap {
  readonly element = make("div", {
    class: "gpt-minimap",
    role: "img",
    "aria-label": "the whole text: weight over position",
    title: "the whole text; click to go there",
  });
  #surface = new Surface(this.element, (frame) => this.#draw(frame));
  #endings = new Endings();
  #shown: Shown | null = null;

  constructor(go: (position: number) => void) {
    const to = (event: PointerEvent): void => {
      const box = this.element.getBoundingClientRect();
      const share = Math.max(0, Math.min(0.999999, (event.clientX - box.left) / box.width));
      if (this.#shown !== null) go(Math.floor(share * this.#shown.count));
    };
    this.#endings.listen(this.element, "pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId);
      to(event);
    });
    this.#endings.listen(this.element, "pointermove", (event) => {
      if (event.buttons === 1) to(event);
    });
  }

  /** Shows something else, in the next frame. */
  show(shown: Shown): void {
    this.#shown = shown;
    this.#surface.redraw();
  }

  destroy(): void {
    this.#surface.destroy();
    this.#endings.end();
  }

  #draw({ context, width }: Frame): void {
    if (this.#shown === null) return;
    const palette = paletteOf(this.element, this.#shown.dark);
    this.#bars(context, width, this.#shown);
    this.#marks(context, width, this.#shown, palette);
    this.#ticks(context, width, this.#shown, palette);
  }

  /** For each pixel across the largest weight of the tokens under it. */
  #bars(context: CanvasRenderingContext2D, width: number, { weights, span, dark, count }: Shown): void {
    if (weights === null) return;
    const scale = sequential(dark);
    for (let x = 0; x < width; x += 1) {
      const first = Math.floor((x * count) / width);
      const last = Math.max(first + 1, Math.floor(((x + 1) * count) / width));
      let most = 0;
      for (let index = first; index < last; index += 1) most = Math.max(most, weights[index] ?? 0);
      if (most <= 0) continue;
      const share = place(most, span);
      context.fillStyle = css(colorOf(span.low + (0.3 + 0.7 * share) * (span.high - span.low), { ...span, log: false }, scale));
      context.fillRect(x, BARS * (1 - share), 1, BARS * share);
    }
  }

  #marks(context: CanvasRenderingContext2D, width: number, { count, seen, chosen, found }: Shown, palette: Palette): void {
    context.fillStyle = palette.line;
    context.fillRect(0, BARS, width, 1);
    const left = (seen[0] / count) * width;
    context.globalAlpha = 0.35;
    context.fillRect(left, 0, Math.max(2, ((seen[1] + 1) / count) * width - left), BARS);
    context.globalAlpha = 1;
    context.fillStyle = FOUND;
    for (const position of found) context.fillRect((position / count) * width, BARS - 4, 1.5, 4);
    context.fillStyle = palette.accent;
    context.fillRect((chosen / count) * width - 0.5, 0, 2, BARS + 1);
  }

  #ticks(context: CanvasRenderingContext2D, width: number, { count }: Shown, palette: Palette): void {
    context.fillStyle = palette.faint;
    context.font = palette.words;
    context.textBaseline = "top";
    const most = Math.max(2, Math.floor(width / 60));
    const rough = count / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(1, power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10));
    for (let position = 0; position < count; position += step) {
      const x = (position / count) * width;
      context.fillRect(x, BARS, 1, 3);
      context.fillText(grouped(position), x + (position === 0 ? 0 : 3), BARS + 4);
    }
  }
}
