/** Small pictures of heads, layer by layer as they come; each with a colour scale of its own, so that its shape is seen. */

import { bitmap } from "../../lib/canvas.ts";
import { lookupTable, paint, scaleEnd, sequential } from "../../lib/color.ts";
import type { Picture, Source } from "./source.ts";
import type { Head, State } from "./state.ts";

interface Drawn {
  picture: Picture;
  /** Where the scale ends, and whether larger weights are there. */
  end: number;
  canvas: HTMLCanvasElement | null;
  painted: string;
}

/** Pixels along a side of the pictures of all heads: the first that keeps them within so many bytes, or the last. */
const [SIDES, BUDGET] = [[48, 32], 400_000];
/** Pixels along a side of the pictures of the few. */
const FINE = 96;

export class HeadPictures {
  #coarse = new Map<string, Drawn>();
  #fine = new Map<string, Drawn>();
  #layers = new Set<number>();
  #loading: AbortController | null = null;
  #few: { names: string; controller: AbortController; done: Promise<unknown> } | null = null;
  progress: { done: number; total: number } | null = null;

  constructor(
    readonly source: Source,
    readonly state: Pick<State, "part" | "hide_sink">,
    readonly on: { change(): void; failed(error: unknown): void },
  ) {}

  /** Fetches the layers that are not there yet, in this order. */
  async all(layers: number[], heads: number): Promise<void> {
    const missing = layers.filter((layer) => !this.#layers.has(layer));
    if (missing.length === 0 || this.#loading) return;
    const controller = new AbortController();
    this.#loading = controller;
    this.progress = { done: layers.length - missing.length, total: layers.length };
    this.on.change();
    const size = SIDES.find((side) => heads * side * side <= BUDGET) ?? (SIDES.at(-1) as number);
    const question = { which: 0, ...this.#part(), layers: missing, size } as const;
    try {
      await this.source.overview(
        question,
        ({ layer, heads: pictures }) => {
          if (controller.signal.aborted) return;
          this.#layers.add(layer);
          pictures.forEach((picture, head) => this.#coarse.set(name({ layer, head }), drawn(picture)));
          if (this.progress) this.progress.done++;
          this.on.change();
        },
        { signal: controller.signal },
      );
    } catch (error) {
      if (!controller.signal.aborted) this.on.failed(error);
    }
    if (this.#loading === controller) [this.#loading, this.progress] = [null, null];
    this.on.change();
  }

  /** Fetches some heads by themselves, finer. */
  async some(heads: Head[], sides: { queries: number; keys: number }): Promise<void> {
    const names = heads.map(name).join(" ");
    if (this.#few?.names === names) return void (await this.#few.done);
    this.#few?.controller.abort();
    const missing = heads.filter((head) => !this.#fine.has(name(head)));
    const controller = new AbortController();
    const whole = { queries: [0, sides.queries], keys: [0, sides.keys], size: FINE, reduction: "mean" } as const;
    const done = Promise.all(
      missing.map(async (head) => {
        try {
          const question = { which: 0, ...this.#part(), layer: head.layer, head: head.head, ...whole } as const;
          const picture = await this.source.tile(question, { signal: controller.signal });
          if (controller.signal.aborted) return;
          this.#fine.set(name(head), drawn(picture));
          this.on.change();
        } catch (error) {
          if (!controller.signal.aborted) this.on.failed(error);
        }
      }),
    );
    this.#few = { names, controller, done };
    await done;
  }

  /** Where a head's colour scale ends, and its largest weight (of a block); undefined: there is no picture yet. */
  scale(head: Head): { end: number; peak: number } | undefined {
    const found = this.#fine.get(name(head)) ?? this.#coarse.get(name(head));
    return found && { end: found.end, peak: found.picture.peak };
  }

  /** Draws a head's picture, the finest that is there; false: there is none yet. */
  draw(context: CanvasRenderingContext2D, head: Head, at: { left: number; top: number; side: number }, look: { log: boolean; dark: boolean }, ratio: number): boolean {
    const found = this.#fine.get(name(head)) ?? this.#coarse.get(name(head));
    if (!found) return false;
    const { rows, columns } = found.picture;
    const longer = Math.max(rows, columns);
    const [width, height] = [(at.side * columns) / longer, (at.side * rows) / longer];
    context.imageSmoothingEnabled = width * ratio < columns;
    context.imageSmoothingQuality = "high";
    context.drawImage(painted(found, look), at.left, at.top, width, height);
    return true;
  }

  /** Stops fetching; what is there stays. */
  stop(): void {
    this.#loading?.abort();
    [this.#loading, this.progress] = [null, null];
  }

  close(): void {
    this.stop();
    this.#few?.controller.abort();
  }

  #part(): { part: State["part"]; hide_sink: boolean } {
    return { part: this.state.part, hide_sink: this.state.hide_sink };
  }
}

function name({ layer, head }: Head): string {
  return `${layer}/${head}`;
}

function drawn(picture: Picture): Drawn {
  // A block's mean is small in most maps; the corner of the first tokens would outshine all others.
  return { picture, end: scaleEnd(picture.pixels, picture.peak, 0.01), canvas: null, painted: "" };
}

function painted(found: Drawn, { log, dark }: { log: boolean; dark: boolean }): HTMLCanvasElement {
  const { picture, end } = found;
  found.canvas ??= bitmap(picture.columns, picture.rows).canvas;
  const look = `${log} ${dark}`;
  if (found.painted !== look) {
    const context = found.canvas.getContext("2d") as CanvasRenderingContext2D;
    const image = context.createImageData(picture.columns, picture.rows);
    paint(picture.pixels, lookupTable(picture.peak, { low: 0, high: end, log }, sequential(dark)), image.data);
    context.putImageData(image, 0, 0);
    found.painted = look;
  }
  return found.canvas;
}
