/** The page's own colours and fonts, for what is drawn on a canvas. */

import { paper } from "./color.ts";

export interface Palette {
  paper: string;
  text: string;
  faint: string;
  line: string;
  accent: string;
  /** The fonts of tokens and of words, as a canvas takes them. */
  code: string;
  words: string;
  /** Height of the letters of tokens, in pixels. */
  size: number;
  /** Width of the crosshair's lines, in pixels. */
  crosshair: number;
}

/** Reads the variables that hold at an element; `--gpt-ruler-size` and `--gpt-crosshair` make them larger for a projector. */
export function paletteOf(element: Element, dark: boolean): Palette {
  const style = getComputedStyle(element);
  const value = (name: string, otherwise: string) => style.getPropertyValue(name).trim() || otherwise;
  const size = Number.parseFloat(value("--gpt-ruler-size", "11")) || 11;
  return {
    paper: paper(dark),
    text: value("--jp-ui-font-color1", dark ? "rgb(255 255 255 / 87%)" : "rgb(0 0 0 / 87%)"),
    faint: value("--jp-ui-font-color2", dark ? "rgb(255 255 255 / 58%)" : "rgb(0 0 0 / 58%)"),
    line: value("--jp-border-color2", dark ? "#424242" : "#e0e0e0"),
    accent: value("--jp-brand-color1", dark ? "#42a5f5" : "#1976d2"),
    code: `${size}px ${value("--jp-code-font-family", "ui-monospace, Menlo, Consolas, monospace")}`,
    words: `${size}px ${value("--jp-ui-font-family", "system-ui, sans-serif")}`,
    size,
    crosshair: Number.parseFloat(value("--gpt-crosshair", "1")) || 1,
  };
}
