/** What a fine-tuning panel shows: the twin of `gpt_notebook/widgets/_fine_tuning_state.py`. */

import type { Form } from "./source.ts";

export interface State {
  /** The id of the job; null while its form is filled in. */
  job: string | null;
  form: Form | null;
  /** Which part is shown where there is no room for all. */
  tab: "curves" | "probes" | "checkpoints" | "log";
  /** 0 shows each step, 0.99 a very smooth curve. */
  smoothing: number;
  log_scale: boolean;
  axis: "step" | "seconds";
  /** What is drawn below the loss. */
  below: ("learning_rate" | "tokens_per_second" | "memory" | "grad_norm")[];
  /** Ids of jobs that are drawn as well. */
  others: string[];
  /** The step whose probes are shown; null: the newest. */
  probe_step: number | null;
  probe_diff: boolean;
  /** The prompt that checkpoints are tried with, and what is tried: steps, 0 is the base. */
  try_prompt: string;
  trying: number[];
}

export const INITIAL: State = {
  job: null,
  form: null,
  tab: "curves",
  smoothing: 0,
  log_scale: false,
  axis: "step",
  below: ["learning_rate"],
  others: [],
  probe_step: null,
  probe_diff: false,
  try_prompt: "",
  trying: [],
};
