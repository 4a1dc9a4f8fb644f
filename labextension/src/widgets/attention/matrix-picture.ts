/** What is seen of a map as a picture to keep: what it is, the maps with their rulers, and the legend with its numbers. */

import { bitmap } from "../../lib/canvas.ts";
import { type LegendContent, drawBar, legendTicks } from "../../lib/legend.ts";
import { paletteOf } from "../../lib/palette.ts";
import type { HeadPlot } from "./matrix-plot.ts";

/** Pixels above the maps for the title, below them for the legend, and around all. */
const [TITLE, LEGEND, EDGE, BAR] = [28, 36, 12, 128];

export async function pictureOf(
  box: HTMLElement,
  plots: readonly HeadPlot[],
  { title, dark, legend }: { title: string; dark: boolean; legend: LegendContent | null },
): Promise<Blob> {
  const { width, height, left, top } = box.getBoundingClientRect();
  const ratio = plots[0]?.ratio ?? 1;
  const palette = paletteOf(box, dark);
  const { canvas, context } = bitmap(Math.round((width + 2 * EDGE) * ratio), Math.round((TITLE + height + LEGEND + 2 * EDGE) * ratio));
  context.fillStyle = palette.paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const plot of plots) {
    const own = plot.element.getBoundingClientRect();
    const at = [own.left - left, own.top - top + TITLE].map((pixels) => Math.round((pixels + EDGE) * ratio)) as [number, number];
    for (const part of plot.canvases) context.drawImage(part, ...at);
  }
  context.scale(ratio, ratio);
  context.translate(EDGE, EDGE);
  context.font = palette.words;
  context.textBaseline = "middle";
  context.fillStyle = palette.text;
  context.fillText(title, 0, TITLE / 2);
  if (legend) drawLegend(context, legend, { right: width, top: TITLE + height + 8, color: palette.faint });
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("this browser made no picture: make the panel smaller"))), "image/png");
  });
}

function drawLegend(context: CanvasRenderingContext2D, content: LegendContent, { right, top, color }: { right: number; top: number; color: string }): void {
  const bar = bitmap(BAR, 1).canvas;
  drawBar(bar, content.span, content.scale);
  const left = right - BAR;
  context.drawImage(bar, left, top, BAR, 8);
  context.fillStyle = color;
  context.textAlign = "right";
  context.fillText(content.title, left - 8, top + 4);
  legendTicks(content).forEach((tick, index) => {
    context.textAlign = (["left", "center", "right"] as const)[index] ?? "center";
    context.fillText(tick, left + (BAR * index) / 2, top + 18);
  });
}
