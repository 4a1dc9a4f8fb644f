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
  info: number;
  rows: number;
  marks: number;
  probes: number;
}

export class History {
  readonly series = new Series();
  readonly versions: Versions = { info: 0, rows: 0, marks: 0, probes: 0 };
  info: JobInfo | null = null;
  /** In the order of their numbers. */
  marks: Mark[] = [];
  /** In the order of their steps. */
  probes: Probe[] = [];
  /** The validations, as columns to draw. */
  validation = { step: new Column(), seconds: new Column(), loss: new Column() };
  omitted = 0;
  reachable = true;
  gone: string | null = null;
  /** The notebook kernel's clock when it last said something, seconds since 1970. */
  now = 0;
  #newest = 0;

  /** The number of the last event of the job that was told, most of which are steps. */
  get newest(): number {
    return this.#newest;
  }

  take(news: News): void {
    this.info = news.info;
    this.now = news.now;
    this.reachable = news.reachable;
    this.gone = news.gone;
    this.#newest = news.number;
    this.versions.info++;
    if (news.row < this.series.rows || news.rows.length > 0) {
      this.series.take(news.row, news.rows);
      this.versions.rows++;
    }
    this.#takeMarks(news);
    this.#takeProbes(news);
    this.omitted = Math.max(this.omitted, news.omitted);
  }

  #takeMarks({ rewound_to, marks }: News): void {
    if (rewound_to === null && marks.length === 0) return;
    const kept = rewound_to === null ? this.marks : this.marks.filter(({ step }) => step < rewound_to);
    // What was asked twice, as after a lost answer, may be told twice.
    const known = new Set(kept.map(({ number }) => number));
    const all = [...kept, ...marks.filter(({ number }) => !known.has(number))].sort((one, other) => one.number - other.number);
    this.omitted += Math.max(0, all.length - MOST_MARKS);
    this.marks = all.length > MOST_MARKS ? all.slice(-MOST_MARKS) : all;
    this.versions.marks++;
    this.#drawn();
  }

  #takeProbes({ rewound_to, probes }: News): void {
    if (rewound_to === null && probes.length === 0) return;
    const kept = rewound_to === null ? this.probes : this.probes.filter(({ step }) => step < rewound_to);
    const all = new Map([...kept, ...probes].map((probe) => [`${probe.step} ${probe.index}`, probe]));
    const sorted = [...all.values()].sort((one, other) => one.step - other.step || one.index - other.index);
    // The first ones are what the others are compared with.
    const first = sorted.filter(({ step }) => step === sorted[0]?.step);
    const over = sorted.length - MOST_PROBES;
    this.probes = over > 0 ? [...first, ...sorted.slice(first.length + over)] : sorted;
    this.omitted += Math.max(0, over);
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
