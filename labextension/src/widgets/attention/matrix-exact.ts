/** Exact weights near the pointer: the block of the map that it is in, fetched once and kept. */

import { Lru } from "../../lib/lru.ts";
import type { Size } from "../../lib/tiles.ts";
import type { HeadQuestion } from "./matrix-tiles.ts";
import type { Matrix, Source } from "./source.ts";

const BLOCK = 128;
const KEPT = 64;
/** Milliseconds that the pointer must stay in a block before it is asked for, so that a sweep asks for little. */
const PATIENCE = 30;

export class ExactBlocks {
  #blocks = new Lru<Matrix>(KEPT);
  #running: { key: string; controller: AbortController; timer: number } | null = null;

  constructor(
    readonly question: HeadQuestion,
    readonly size: Size,
    readonly source: Source,
    readonly on: { change(): void; failed(error: unknown): void },
  ) {}

  /** The float32 weight, if its block is there. */
  get(query: number, key: number): number | undefined {
    const block = this.#blocks.get(name(query, key));
    return block?.values[(query % BLOCK) * block.columns + (key % BLOCK)];
  }

  /** Asks for the block of a cell. */
  want(query: number, key: number): void {
    const wanted = name(query, key);
    if (this.#running?.key === wanted) return;
    this.close();
    if (this.#blocks.has(wanted)) return;
    const controller = new AbortController();
    const timer = window.setTimeout(() => void this.#fetch(query, key, wanted, controller), PATIENCE);
    this.#running = { key: wanted, controller, timer };
  }

  /** Asks for a map that is a single block, before anybody points at it. */
  wantWhole(): void {
    if (this.size.rows <= BLOCK && this.size.columns <= BLOCK) this.want(0, 0);
  }

  /** Cancels the request. */
  close(): void {
    if (!this.#running) return;
    clearTimeout(this.#running.timer);
    this.#running.controller.abort();
    this.#running = null;
  }

  async #fetch(query: number, key: number, wanted: string, controller: AbortController): Promise<void> {
    const [row, column] = [Math.floor(query / BLOCK) * BLOCK, Math.floor(key / BLOCK) * BLOCK];
    try {
      const block = await this.source.exact(
        {
          ...this.question,
          queries: [row, Math.min(this.size.rows, row + BLOCK)],
          keys: [column, Math.min(this.size.columns, column + BLOCK)],
        },
        { signal: controller.signal },
      );
      if (controller.signal.aborted) return;
      this.#blocks.set(wanted, block);
      this.#running = null;
      this.on.change();
    } catch (error) {
      if (!controller.signal.aborted) this.on.failed(error);
    }
  }
}

function name(query: number, key: number): string {
  return `${Math.floor(query / BLOCK)}/${Math.floor(key / BLOCK)}`;
}
