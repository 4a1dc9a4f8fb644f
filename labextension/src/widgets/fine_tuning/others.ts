/** The curves of other jobs, fetched when they are chosen, and again now and then while something may come of these. */

import { codeOfError, isCancelled } from "../../lib/notices.ts";
import type { JobInfo } from "../../protocol.ts";
import { History } from "./history.ts";
import { Smoothed } from "./smoothed.ts";
import type { Source } from "./source.ts";

/** Milliseconds after which a job's curve is asked for again, by its state; of one that has ended it is not. */
const AGAIN: Partial<Record<JobInfo["state"], number>> = { queued: 20_000, running: 20_000, paused: 120_000 };
/** The same after a failure, doubled with each further one. */
const RETRY = 20_000;
const LONGEST_RETRY = 320_000;

export interface Other {
  id: string;
  history: History;
  smoothed: Smoothed;
}

interface Known extends Other {
  asked: AbortController;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Failures since the last answer. */
  failures: number;
}

export class Others {
  #source: Pick<Source, "curve">;
  #on: { changed(): void; failed(error: unknown): void };
  #known = new Map<string, Known>();

  constructor(source: Pick<Source, "curve">, on: { changed(): void; failed(error: unknown): void }) {
    this.#source = source;
    this.#on = on;
  }

  /** Those that are there, in the order in which they were chosen. */
  get shown(): Other[] {
    return [...this.#known.values()].filter(({ history }) => history.info !== null);
  }

  /** Fetches those that are not known, and lets go of those that are no longer wanted. */
  want(ids: readonly string[]): void {
    for (const [id, other] of this.#known) {
      if (ids.includes(id)) continue;
      clearTimeout(other.timer);
      other.asked.abort();
      this.#known.delete(id);
    }
    for (const id of ids) {
      if (this.#known.has(id)) continue;
      const parts = { history: new History(), smoothed: new Smoothed() };
      const other: Known = { id, ...parts, asked: new AbortController(), timer: undefined, failures: 0 };
      this.#known.set(id, other);
      this.#fetch(other);
    }
  }

  destroy(): void {
    this.want([]);
  }

  #fetch(other: Known): void {
    const { signal } = other.asked;
    this.#source.curve({ job: other.id }, { signal }).then(
      (news) => {
        if (signal.aborted) return;
        other.failures = 0;
        other.history.take({ ...news, row: 0, rewound_to: 0 });
        this.#on.changed();
        const wait = AGAIN[news.info.state];
        if (wait !== undefined) this.#later(other, wait);
      },
      (error: unknown) => {
        if (signal.aborted) return;
        // Each further failure in a row would only say the same again.
        if (other.failures === 0 && !isCancelled(error)) this.#on.failed(error);
        if (codeOfError(error) === "not_saved") return;
        this.#later(other, Math.min(LONGEST_RETRY, RETRY * 2 ** other.failures));
        other.failures++;
      },
    );
  }

  #later(other: Known, wait: number): void {
    other.timer = setTimeout(() => this.#fetch(other), wait);
  }
}
