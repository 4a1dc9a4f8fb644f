/** Keeps a history up to date: asks again when a question has ended or was lost, with what is known already. */

import { isCancelled } from "../../lib/notices.ts";
import { ENDED } from "../../protocol.ts";
import type { History } from "./history.ts";
import type { Source } from "./source.ts";

/** Milliseconds between two questions of which the first ended at once. */
const PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;
/** The same of a job that has ended: somebody may resume it, or delete a checkpoint. */
const SETTLED_PAUSE = 15_000;

export interface Followed {
  /** Something is new. */
  changed(): void;
  failed(error: unknown): void;
}

export class Following {
  #source: Pick<Source, "follow">;
  #job: string;
  #history: History;
  #on: Followed;
  #asked: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pause = PAUSE;
  #ended = false;

  constructor(source: Pick<Source, "follow">, job: string, history: History, on: Followed) {
    this.#source = source;
    this.#job = job;
    this.#history = history;
    this.#on = on;
  }

  /** Asks now: at first, when somebody answers again, or after a command to a job that had ended. */
  ask(): void {
    if (this.#ended || this.#asked !== null) return;
    clearTimeout(this.#timer);
    const asked = new AbortController();
    this.#asked = asked;
    const began = performance.now();
    let heard = false;
    const question = { job: this.#job, rows: this.#history.series.rows, number: this.#history.newest };
    const onNews: Parameters<Source["follow"]>[1] = (news) => {
      if (asked.signal.aborted) return;
      heard = true;
      this.#history.take(news);
      this.#on.changed();
    };
    this.#source.follow(question, onNews, { signal: asked.signal }).then(
      () => this.#over(asked, heard && performance.now() - began > PAUSE ? 0 : PAUSE),
      (error: unknown) => {
        if (asked.signal.aborted) return;
        if (!isCancelled(error)) this.#on.failed(error);
        this.#over(asked, this.#longer());
      },
    );
  }

  /** Ends the question that may have been lost, and asks anew. */
  again(): void {
    this.#asked?.abort();
    this.#asked = null;
    this.#pause = PAUSE;
    this.ask();
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#asked?.abort();
  }

  #over(asked: AbortController, wait: number): void {
    if (this.#asked !== asked) return;
    this.#asked = null;
    if (wait <= PAUSE) this.#pause = PAUSE;
    const { info, gone } = this.#history;
    if (gone !== null) return;
    const settled = info !== null && ENDED.includes(info.state);
    this.#timer = setTimeout(() => this.ask(), settled ? Math.max(wait, SETTLED_PAUSE) : wait);
  }

  #longer(): number {
    this.#pause = Math.min(LONGEST_PAUSE, 2 * this.#pause);
    return this.#pause;
  }
}
