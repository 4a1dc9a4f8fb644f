/**
 * What the job is told. It obeys between two steps, and says so by a mark of its own: until then the command is under way.
 *
 * Knows no elements; the header shows it.
 */

import { counted } from "../../lib/numbers.ts";
import { ENDED, type CommandName, type JobInfo } from "../../protocol.ts";
import { numberOf } from "./form-checks.ts";
import type { History } from "./history.ts";
import type { Source } from "./source.ts";

/** States in which a command has been obeyed, whoever gave it, or in which there is nothing left to obey. */
const REACHED: Record<CommandName, readonly string[]> = {
  pause: ["paused", ...ENDED],
  resume: ["running", "queued", "succeeded"],
  stop: ENDED,
  cancel: ENDED,
  learning_rate: ["succeeded"],
  max_steps: ["succeeded"],
};
/** What can be told in a state. */
const POSSIBLE: Record<JobInfo["state"], readonly CommandName[]> = {
  queued: ["cancel"],
  running: ["pause", "stop", "cancel", "learning_rate", "max_steps"],
  paused: ["resume", "stop", "cancel", "learning_rate", "max_steps"],
  succeeded: [],
  failed: ["resume", "learning_rate", "max_steps"],
  cancelled: ["resume"],
};

export function possible(info: JobInfo): readonly CommandName[] {
  return POSSIBLE[info.state];
}

/** Why a learning rate can't be set, or null. */
export function wrongRate(text: string): string | null {
  const value = numberOf(text);
  if (value === null || !Number.isFinite(value)) return `“${text}” is no number: write it like 2e-4`;
  return value > 0 && value <= 1 ? null : "a learning rate lies above 0 and is at most 1: write it like 2e-4";
}

/** Why a job can't have so many steps, or null. */
export function wrongSteps(text: string, done: number): string | null {
  const value = numberOf(text);
  if (value === null || !Number.isInteger(value)) return `“${text}” is no whole number of steps`;
  if (value > 1e12) return "that is more steps than any training has";
  return value > done ? null : `${counted(done, "step is", "steps are")} done already: write a larger number, or stop & keep`;
}

export interface Steered {
  /** Something is under way, or no longer. */
  changed(): void;
  /** The command was written down: from now on something may come of it, also of a job that had ended. */
  written(): void;
  obeyed(command: CommandName): void;
  /** The job has not answered yet, which the text says; something else can be told meanwhile. */
  late(text: string): void;
  failed(error: unknown): void;
}

export class Steering {
  #source: Pick<Source, "command">;
  #history: History;
  #on: Steered;
  #pending: { command: CommandName; after: number } | null = null;
  #ending = new AbortController();

  constructor(source: Pick<Source, "command">, history: History, on: Steered) {
    this.#source = source;
    this.#history = history;
    this.#on = on;
  }

  /** What was told and is not obeyed yet. */
  get pending(): CommandName | null {
    return this.#pending?.command ?? null;
  }

  tell(command: CommandName, value?: number): void {
    const { info } = this.#history;
    if (this.#pending !== null || info === null || !possible(info).includes(command)) return;
    const pending = { command, after: this.#history.newest };
    this.#pending = pending;
    this.#on.changed();
    const question = value === undefined ? { command } : { command, value };
    this.#source.command(question, { signal: this.#ending.signal }).then(
      ({ info: after, late }) => {
        this.#on.written();
        if (this.#pending !== pending) return;
        // Some answers come before the mark that says the same.
        if (reached(pending.command, after)) return this.#done();
        if (late === null) return;
        this.#pending = null;
        this.#on.changed();
        this.#on.late(late);
      },
      (error: unknown) => {
        if (this.#pending === pending) this.#pending = null;
        this.#on.changed();
        if (!this.#ending.signal.aborted) this.#on.failed(error);
      },
    );
  }

  /** Something new is known of the job: perhaps that it has obeyed, or could not. */
  update(): void {
    if (this.#pending === null) return;
    const { info, marks, newest } = this.#history;
    const { command, after } = this.#pending;
    const answered = newest > after && marks.some((mark) => mark.number > after && mark.kind === "command" && mark.command === command);
    if (answered || (info !== null && reached(command, info))) this.#done();
  }

  end(): void {
    this.#ending.abort();
  }

  #done(): void {
    const command = this.pending;
    this.#pending = null;
    this.#on.changed();
    if (command !== null) this.#on.obeyed(command);
  }
}

function reached(command: CommandName, { state }: JobInfo): boolean {
  return REACHED[command].includes(state);
}
