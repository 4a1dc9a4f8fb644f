/**
 * A source for the many views of one panel: who asks the same shares one answer, and the chosen head's map comes first.
 *
 * What comes first is asked with `first`; rows, columns and exact numbers wait until it is there. On the way from the
 * model to the page they would only be in its way, and what they tell is read after the map was seen.
 */

import { Lru } from "../../lib/lru.ts";
import { keyOf } from "../../lib/recorded.ts";
import type { Options, Source } from "./source.ts";

/** How many tiles are kept for who asks for them later, of 64 kB each. */
const KEPT = 16;

export interface SharedSource extends Source {
  /** Resolves when nothing is being waited for that comes first. */
  settled(): Promise<void>;
}

export function sharedSource(source: Source): SharedSource {
  const shared = new Shared();
  const open = new Set<Promise<unknown>>();
  const settled = async (): Promise<void> => {
    while (open.size > 0) await Promise.allSettled(open);
  };
  const later = async <Question extends object, Answer>(
    method: "rows" | "columns" | "exact",
    ask: (question: Question, options: Options) => Promise<Answer>,
    question: Question,
    { signal }: Options,
  ): Promise<Answer> => {
    await settled();
    signal.throwIfAborted();
    return shared.ask(keyOf(method, question as Record<string, unknown>), (options) => ask(question, options), signal);
  };
  return {
    ...source,
    settled,
    tile(question, { signal, first = false }) {
      const name = keyOf("tile", { ...question });
      const answer = shared.ask(name, (options) => source.tile(question, options), signal, true);
      if (first) {
        open.add(answer);
        const over = (): void => void open.delete(answer);
        answer.then(over, over);
      }
      return answer;
    },
    rows: (question, options) => later("rows", source.rows, question, options),
    columns: (question, options) => later("columns", source.columns, question, options),
    exact: (question, options) => later("exact", source.exact, question, options),
  };
}

interface Asked {
  answer: Promise<unknown>;
  ending: AbortController;
  /** How many wait for it; when nobody does any more, it is cancelled. */
  askers: number;
}

/** Questions that are being answered, by name, and some of the answers. */
class Shared {
  #open = new Map<string, Asked>();
  #kept = new Lru<unknown>(KEPT);

  ask<Answer>(name: string, ask: (options: Options) => Promise<Answer>, signal: AbortSignal, keep = false): Promise<Answer> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const known = this.#kept.get(name);
    if (known !== undefined) return Promise.resolve(known as Answer);
    const asked = this.#open.get(name) ?? this.#begin(name, ask, keep);
    asked.askers += 1;
    return new Promise<Answer>((resolve, reject) => {
      const leave = (): void => {
        asked.askers -= 1;
        if (asked.askers === 0) {
          this.#forget(name, asked);
          asked.ending.abort(signal.reason);
        }
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      const over = (): void => signal.removeEventListener("abort", leave);
      asked.answer.then(
        (answer) => (over(), resolve(answer as Answer)),
        (error: unknown) => (over(), reject(error)),
      );
    });
  }

  #begin<Answer>(name: string, ask: (options: Options) => Promise<Answer>, keep: boolean): Asked {
    const ending = new AbortController();
    const asked: Asked = { answer: ask({ signal: ending.signal }), ending, askers: 0 };
    this.#open.set(name, asked);
    asked.answer.then(
      (answer) => {
        if (keep) this.#kept.set(name, answer);
        this.#forget(name, asked);
      },
      () => this.#forget(name, asked),
    );
    return asked;
  }

  #forget(name: string, asked: Asked): void {
    if (this.#open.get(name) === asked) this.#open.delete(name);
  }
}
