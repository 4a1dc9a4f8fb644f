/** The curves of other jobs, fetched when they are chosen, and again now and then while these run. */

import { Endings } from "../../lib/asking.ts";
import { ENDED } from "../../protocol.ts";
import { History } from "./history.ts";
import { Smoothed } from "./smoothed.ts";
import type { Source } from "./source.ts";

/** Milliseconds after which a running job's curve is asked for again. */
const AGAIN = 20_000;

export interface Other {
  id: string;
  history: History;
  smoothed: Smoothed;
}

export class Others {
  #source: Pick<Source, "curve">;
  #on: { changed(): void; failed(error: unknown): void };
  #known = new Map<string, Other & { ending: Endings }>();

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
    for (const [id, { ending }] of this.#known) {
      if (ids.includes(id)) continue;
      ending.end();
      this.#known.delete(id);
    }
    for (const id of ids) {
      if (this.#known.has(id)) continue;
      const ending = new Endings();
      this.#known.set(id, { id, history: new History(), smoothed: new Smoothed(), ending });
      this.#fetch(id, ending);
    }
  }

  destroy(): void {
    this.want([]);
  }

  #fetch(id: string, ending: Endings): void {
    const asked = new AbortController();
    ending.add(() => asked.abort());
    this.#source.curve({ job: id }, { signal: asked.signal }).then(
      (news) => {
        const other = this.#known.get(id);
        if (asked.signal.aborted || other === undefined) return;
        other.history.take({ ...news, row: 0, rewound_to: 0 });
        this.#on.changed();
        if (ENDED.includes(news.info.state)) return;
        const timer = setTimeout(() => this.#fetch(id, ending), AGAIN);
        ending.add(() => clearTimeout(timer));
      },
      (error: unknown) => {
        if (!asked.signal.aborted) this.#on.failed(error);
      },
    );
  }
}
