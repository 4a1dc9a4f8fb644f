/** A small legend with numbers: a bar of the scale's colours and what they stand for. */

import { colorOf, css, type Scale, type Span, valueAt } from "./color.ts";
import { short } from "./numbers.ts";

export interface LegendContent {
  /** What the numbers are. */
  title: string;
  span: Span;
  scale: Scale;
  /** Whether some values are larger than the last one of the scale. */
  beyond?: boolean;
}

const BAR = 128;

/** An empty legend, and what fills it. */
export function legend(): { element: HTMLElement; show(content: LegendContent): void } {
  const element = document.createElement("div");
  element.className = "gpt-legend";
  const title = document.createElement("span");
  const figure = document.createElement("span");
  figure.className = "gpt-legend-scale";
  const bar = document.createElement("canvas");
  [bar.width, bar.height] = [BAR, 1];
  bar.setAttribute("aria-hidden", "true");
  const ticks = document.createElement("span");
  ticks.className = "gpt-legend-ticks";
  figure.append(bar, ticks);
  element.append(title, figure);

  return {
    element,
    show({ title: text, span, scale, beyond }) {
      title.textContent = text;
      drawBar(bar, span, scale);
      const values = legendTicks({ span, beyond });
      ticks.replaceChildren(
        ...values.map((value) => {
          const tick = document.createElement("span");
          tick.textContent = value;
          return tick;
        }),
      );
      element.setAttribute("role", "img");
      element.setAttribute("aria-label", `${text}: ${span.log ? "logarithmic " : ""}scale from ${values[0]} to ${values[2]}`);
    },
  };
}

/** The numbers at the left end, in the middle and at the right end of a scale. */
export function legendTicks({ span, beyond = false }: Pick<LegendContent, "span" | "beyond">): string[] {
  const [low, middle, high] = [0, 0.5, 1].map((at) => short(valueAt(at, span))) as [string, string, string];
  return [low, middle, beyond ? `≥ ${high}` : high];
}

/** Draws a scale from left to right. */
export function drawBar(canvas: HTMLCanvasElement, span: Span, scale: Scale): void {
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = css(colorOf(valueAt(x / (canvas.width - 1), span), span, scale));
    context.fillRect(x, 0, 1, canvas.height);
  }
}
