/** Pictures to keep: the view, the text or the token's side, as PNG or SVG. */

import { download } from "../../lib/canvas.ts";
import { button, make } from "../../lib/elements.ts";
import { menu, type Menu } from "../../lib/menu.ts";
import { isClear, pngOfSvg, svgOf } from "../../lib/picture.ts";
import type { View } from "./view.ts";

export interface Saved {
  /** What a reader calls it, and what the file is called. */
  name: string;
  file(): string;
  view(): View | null;
}

/** Pixels of a PNG for each of the page's. */
const SHARP = 2;

export class Saver {
  #menu: Menu;

  constructor(what: Saved[], failed: (error: unknown) => void) {
    this.#menu = menu(
      "save",
      "save a picture",
      () =>
        what.map((each) => {
          const save = (kind: "PNG" | "SVG"): HTMLElement =>
            button(kind, { does: `save ${each.name} as ${kind}`, press: () => void this.#save(each, kind).catch(failed) });
          return make("div", { class: "gpt-menu-line" }, make("span", {}, each.name), save("PNG"), save("SVG"));
        }),
      "w",
    );
  }

  get element(): HTMLElement {
    return this.#menu.element;
  }

  open(): void {
    this.#menu.element.open = true;
  }

  /** Whether it was open. */
  close(): boolean {
    return this.#menu.close();
  }

  destroy(): void {
    this.#menu.destroy();
  }

  async #save({ name, file, view: viewOf }: Saved, kind: "PNG" | "SVG"): Promise<void> {
    const view = viewOf();
    if (view === null) throw new Error(`there is no picture of ${name} now: open it first`);
    this.close();
    const ground = groundOf(view.element);
    if (kind === "SVG") {
      const svg = view.svg?.() ?? svgOf(view.element, ground, isControl);
      return download(new Blob([svg], { type: "image/svg+xml" }), `${file()}.svg`);
    }
    const png = (await view.png?.()) ?? (await pngOfSvg(svgOf(view.element, ground, isControl), SHARP));
    download(png, `${file()}.png`);
  }
}

/** Whether something is there to be clicked only; the names of heads in tables and lists say something. */
function isControl(element: Element): boolean {
  return element.matches("button, select, input, summary") && !element.matches(".gpt-table button, .gpt-off, .gpt-colored");
}

/** The colour that lies behind an element. */
function groundOf(element: Element): string {
  for (let each: Element | null = element; each !== null; each = each.parentElement) {
    const { backgroundColor } = getComputedStyle(each);
    if (!isClear(backgroundColor)) return backgroundColor;
  }
  return "white";
}
