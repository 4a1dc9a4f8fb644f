/** The score of every head, of the kind that is chosen; each is asked for once. */

import { Latest } from "../../lib/asking.ts";
import { type Scale, sequential, type Span } from "../../lib/color.ts";
import { spelling } from "../../lib/text.ts";
import { sidesOf } from "./chosen.ts";
import type { Table } from "./source.ts";
import type { State } from "./state.ts";
import type { Context } from "./view.ts";

export type Scores =
  | { state: "unasked" }
  | { state: "waiting"; done: number; total: number }
  | { state: "there"; values: Table }
  /** What is missing to compute them. */
  | { state: "none"; because: string };

export class HeadScores {
  #known = new Map<string, Table>();
  #latest = new Latest();
  current: Scores = { state: "unasked" };

  constructor(
    readonly context: Context,
    readonly onChange: () => void,
  ) {}

  /** Asks for the chosen kind. */
  ask(): void {
    const { part, score: kind, from, to } = this.context.store.get();
    this.#latest.end();
    const { queries, keys, problem } = kind === "from-to" ? ends(this.context, { part, from, to }) : { queries: [], keys: [], problem: "" };
    if (problem) return this.#set({ state: "none", because: problem });
    const name = JSON.stringify([part, kind, queries, keys]);
    const known = this.#known.get(name);
    if (known) return this.#set({ state: "there", values: known });
    this.#set({ state: "waiting", done: 0, total: 0 });
    this.#latest.run(
      (signal) => {
        const progress = (done: number, total: number) => {
          if (!signal.aborted) this.#set({ state: "waiting", done, total });
        };
        return this.context.source.scores({ which: 0, part, kind, queries, keys }, progress, { signal });
      },
      (values) => {
        this.#known.set(name, values);
        this.#set({ state: "there", values });
      },
      (error) => {
        this.#set({ state: "none", because: "there are no scores of this kind" });
        this.context.failed(error);
      },
    );
  }

  /** The scores and the colours that they have; null: there are none. */
  colours(): { values: Table; span: Span; scale: Scale } | null {
    if (this.current.state !== "there") return null;
    const { values } = this.current;
    const numbers = values.flat().filter((value) => value !== null && Number.isFinite(value)) as number[];
    const span = { low: Math.min(0, ...numbers), high: Math.max(0, ...numbers), log: false };
    return { values, span, scale: sequential(this.context.dark()) };
  }

  close(): void {
    this.#latest.end();
  }

  #set(scores: Scores): void {
    this.current = scores;
    this.onChange();
  }
}

function ends(context: Context, { part, from, to }: Pick<State, "part" | "from" | "to">): { queries: number[]; keys: number[]; problem: string } {
  const sides = sidesOf(context.opened.info, part);
  const [queries, keys] = [spelling(from, sides.queries), spelling(to, sides.keys)];
  const unknown = from && queries.length === 0 ? from : to && keys.length === 0 ? to : "";
  if (unknown) return { queries, keys, problem: `no token here spells “${unknown}”` };
  if (!from || !to) return { queries, keys, problem: "name a word that attends and one that is attended to" };
  return { queries, keys, problem: "" };
}
