/** Where a fine-tuning panel's numbers come from: `PanelSource` asks the notebook kernel, `SavedSource` a page that was saved. */

import type { CommandName, Estimate, Exported, JobInfo, Preview, Progress } from "../../protocol.ts";

/** The numbers of a step, in the order of the columns of a part's buffer. */
export const COLUMNS = ["step", "loss", "learning_rate", "grad_norm", "tokens_per_second", "memory", "seconds"] as const;

/** Something that happened now and then; a step has rows instead. Bounded: of very many the oldest are left out. */
export type Mark =
  | { kind: "validation"; number: number; step: number; seconds: number; loss: number | null; perplexity: number | null; accuracy: number | null; best: boolean }
  | { kind: "checkpoint"; number: number; step: number; seconds: number; bytes: number; loss: number | null }
  | { kind: "state"; number: number; step: number; seconds: number; state: string; reason: string | null; message: string | null }
  | { kind: "command"; number: number; step: number; seconds: number; command: CommandName; value: number | null; obeyed: boolean; message: string | null }
  | { kind: "out_of_memory"; number: number; step: number; seconds: number; micro_batch_size: number; accumulation: number }
  | { kind: "note"; number: number; step: number; seconds: number; message: string };

export interface Probe {
  step: number;
  index: number;
  prompt: string;
  /** What follows the prompt. */
  text: string;
}

/** What is new of a job. Rows and marks that an earlier part told, and that a later attempt did again, are replaced. */
export interface News {
  info: JobInfo;
  /** The notebook kernel's clock, seconds since 1970, when this was said. */
  now: number;
  /** The last of the job's events that this tells; what comes later is asked for with it. */
  number: number;
  /** Rows from this index on are replaced by those that follow; all that there were stay where it equals their number. */
  row: number;
  /** (row, column of `COLUMNS`), float32; NaN where there is no number. */
  rows: Float32Array;
  /** Marks and probes of this step and later ones are taken back before those that follow are added; null: none. */
  rewound_to: number | null;
  marks: Mark[];
  probes: Probe[];
  /** How many marks and probes were left out of a very long history. */
  omitted: number;
  /** Whether the model kernel answers; the history is read from the job's directory where it doesn't. */
  reachable: boolean;
  /** Why nothing more can come, such as a deleted directory; null while more can. */
  gone: string | null;
}

/** The fields of the form before a job is there. Empty text and null leave the choice to the job. */
export interface Form {
  model: string;
  name: string;
  method: "lora" | "full";
  /** Number, or null. */
  epochs: number | null;
  max_steps: number | null;
  learning_rate: number | null;
  batch_size: number | null;
  max_length: number | null;
  too_long: "split" | "cut" | "drop";
  lora_rank: number | null;
  validation: number | null;
  validate_every: number | null;
  early_stopping: number | null;
  probes: string[];
  probe_every: number | null;
  seed: number;
  /** Columns or templates; "" leaves the choice. */
  text: string;
  prompt: string;
  completion: string;
  messages: string;
}

/** What the panel may choose from. */
export interface Opened {
  /** Null: a job is there already. `rows` is null where only reading the files tells; `validation`: data for it were given, too. */
  data: { description: string; columns: string[]; rows: number | null; validation: boolean } | null;
  form: Form | null;
  /** Model strings that can be trained, loaded ones first. */
  models: string[];
  /** The jobs there are, newest first, to overlay or to look at. */
  jobs: { id: string; name: string; model: string; state: string }[];
}

export interface Previewed {
  preview: Preview;
  /** Of how many rows the preview was made, where the data were too many for all. */
  sampled: number | null;
  rows: number;
}

/** A text as it streams. */
export interface Streamed {
  model: string;
  text: string;
  /** Tokens so far. */
  tokens: number;
}

export interface Prompted {
  /** A model string: the base, or a checkpoint. */
  model: string;
  prompt: string;
  max_new_tokens: number;
  temperature: number;
  seed: number;
}

export interface Moved {
  /** (layer, head); null where there is no such head. */
  table: (number | null)[][];
  code: string;
}

export interface Exporting {
  step: number;
  directory: string;
  /** Whether the adapter is added to the model's weights. */
  merged: boolean;
}

/** What came of telling a job something. */
export interface Told {
  info: JobInfo;
  /** Says that the job has not answered yet, and what becomes of the command; null: it has obeyed. */
  late: string | null;
}

export interface Options {
  signal: AbortSignal;
}

export interface Source {
  open(options: Options): Promise<Opened>;
  /**
   * Calls back with what is new of a job, at once with all that there is, and then as it comes (at most five times a second).
   * Ends after a while by itself or when the job can't change any more; ask again with what is known already.
   */
  follow(question: { job: string; rows: number; number: number }, onNews: (news: News) => void, options: Options): Promise<void>;
  /** Another job's curve, as it is now. */
  curve(question: { job: string }, options: Options): Promise<News>;
  /** Each may be refused with the field's name in the error's `param`. */
  preview(question: { form: Form }, options: Options): Promise<Previewed>;
  estimate(question: { form: Form }, options: Options): Promise<Estimate>;
  /** Starts the job; the panel's state then has its id. */
  begin(question: { form: Form }, onProgress: (progress: Progress) => void, options: Options): Promise<JobInfo>;
  /** Tells the job something, and waits some seconds for it to obey; rejected where it will not. */
  command(question: { command: CommandName; value?: number }, options: Options): Promise<Told>;
  /** Streams what a model string makes of a prompt. */
  generate(question: Prompted, onText: (text: Streamed) => void, options: Options): Promise<Streamed>;
  /** How far each head's attention has moved from the base: (layer, head), nats; and the code that opens the attention panel. */
  moved(question: { step: number; text: string }, onProgress: (progress: Progress) => void, options: Options): Promise<Moved>;
  /** Shows the attention panel in an element, with a head of a checkpoint beside the base's; ends with the signal. */
  maps?(question: { step: number; text: string; layer: number; head: number }, element: HTMLElement, options: Options): Promise<void>;
  /** Writes a checkpoint for others; returns what was written. */
  exportCheckpoint(question: Exporting, onProgress: (progress: Progress) => void, options: Options): Promise<Exported>;
  remove(question: { step: number }, options: Options): Promise<void>;
  /** Starts a model kernel; a saved page has nothing to start. */
  start?(onProgress: (progress: Progress) => void, options: Options): Promise<void>;
}
