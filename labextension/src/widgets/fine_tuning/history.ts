/** What a view knows of a job: its steps' numbers, what happened now and then, what became of its probes. */

import { Column } from "../../lib/column.ts";
import type { JobInfo } from "../../protocol.ts";
import { Series } from "./series.ts";
import type { Mark, News, Probe } from "./source.ts";

/** A panel that is left open for days doesn't grow beyond these. */
const MOST_MARKS = 4_000;
const MOST_PROBES = 2_000;

/** What of a history is newer than what somebody has shown; each only grows. */
export interface Versions {
  marks: number;
  probes: number;
}

export class History {
  readonly series = new Series();
  readonly versions: Versions = { marks: 0, probes: 0 };
  info: JobInfo | null = null;
  /** In the order of their numbers. */
  marks: Mark[] = [];
  /** In the order of their steps. */
  probes: Probe[] = [];
  /** The validations, as columns to draw. */
  validation = { step: new Column(), seconds: new Column(), loss: new Column() };
  reachable = true;
  gone: string | null = null;
  #newest = 0;
  /** How many marks and probes whoever tells of the job has left out. */
  #untold = 0;
  /** What was let go of here: how many, the number of the newest mark among them and the step of the newest probe. */
  #dropped = { count: 0, number: 0, step: -1 };

  /** How many of the oldest marks and probes of a very long history are not here. */
  get omitted(): number {
    // Both leave out the oldest ones, which are the same.
    return Math.max(this.#untold, this.#dropped.count);
  }

  /** The number of the last event of the job that was told, most of which are steps. */
  get newest(): number {
    return this.#newest;
  }

  take(news: News): void {
    this.info = news.info;
    this.reachable = news.reachable;
    this.gone = news.gone;
    this.#newest = news.number;
    if (news.row < this.series.rows || news.rows.length > 0) this.series.take(news.row, news.rows);
    if (news.rewound_to === 0) this.#dropped = { count: 0, number: 0, step: -1 };
    this.#takeMarks(news);
    this.#takeProbes(news);
    this.#untold = news.omitted;
  }

  #takeMarks({ rewound_to, marks }: News): void {
    if (rewound_to === null && marks.length === 0) return;
    const kept = rewound_to === null ? this.marks : this.marks.filter(({ step }) => step < rewound_to);
    // What was asked twice, as after a lost answer, may be told twice.
    const known = new Set(kept.map(({ number }) => number));
    const added = marks.filter(({ number }) => number > this.#dropped.number && !known.has(number));
    const all = [...kept, ...added].sort((one, other) => one.number - other.number);
    const over = all.slice(0, Math.max(0, all.length - MOST_MARKS));
    this.#dropped.count += over.length;
    this.#dropped.number = over.at(-1)?.number ?? this.#dropped.number;
    this.marks = all.slice(over.length);
    this.versions.marks++;
    this.#drawn();
  }

  #takeProbes({ rewound_to, probes }: News): void {
    if (rewound_to === null && probes.length === 0) return;
    const kept = rewound_to === null ? this.probes : this.probes.filter(({ step }) => step < rewound_to);
    if (rewound_to !== null) this.#dropped.step = Math.min(this.#dropped.step, rewound_to - 1);
    const added = probes.filter(({ step }) => step > this.#dropped.step || step === kept[0]?.step);
    const all = new Map([...kept, ...added].map((probe) => [`${probe.step} ${probe.index}`, probe]));
    const sorted = [...all.values()].sort((one, other) => one.step - other.step || one.index - other.index);
    // The first ones are what the others are compared with.
    const first = sorted.filter(({ step }) => step === sorted[0]?.step);
    const over = sorted.slice(first.length, first.length + Math.max(0, sorted.length - MOST_PROBES));
    this.#dropped.count += over.length;
    this.#dropped.step = over.at(-1)?.step ?? this.#dropped.step;
    this.probes = [...first, ...sorted.slice(first.length + over.length)];
    this.versions.probes++;
  }

  /** The validations as they are now: few, so all of them are taken anew. */
  #drawn(): void {
    const [step, seconds, loss] = [new Column(), new Column(), new Column()];
    const validations = this.marks.filter((mark) => mark.kind === "validation");
    for (const mark of validations.sort((one, other) => one.step - other.step || one.number - other.number)) {
      step.append(mark.step);
      seconds.append(Math.max(mark.seconds, seconds.length > 0 ? seconds.at(seconds.length - 1) : 0));
      loss.append(mark.loss ?? NaN);
    }
    this.validation = { step, seconds, loss };
  }
}
