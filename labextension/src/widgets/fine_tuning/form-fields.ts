/** The fields of the form before a job begins: what they are called, what they mean, and what they may be. */

import { MAX_PROBES } from "../../protocol.ts";
import type { Form } from "./source.ts";

export type FieldName = keyof Form;

export interface Field {
  label: string;
  /** What it means, shown on hover. */
  explains: string;
  /** What stands there while it is empty: what the job then chooses. */
  otherwise: string;
  /** A number between these; null: a text or a choice. */
  range: { above?: number; low?: number; high: number; whole: boolean } | null;
  /** Whether it is folded away at first. */
  advanced: boolean;
}

const WHOLE = { low: 1, high: 1e12, whole: true };

export const FIELDS: Record<FieldName, Field> = {
  model: {
    label: "model",
    explains: "What to begin with. With an adapter, model+name, it goes on from that one.",
    otherwise: "",
    range: null,
    advanced: false,
  },
  name: {
    label: "name",
    explains: "What the job is called, and the adapter that it makes: up to 64 lower-case letters, digits and . _ -",
    otherwise: "a new name",
    range: null,
    advanced: false,
  },
  method: {
    label: "method",
    explains: "An adapter is small and trains few weights; a whole model trains all of them, and takes more memory.",
    otherwise: "",
    range: null,
    advanced: false,
  },
  epochs: {
    label: "epochs",
    explains: "How often the data are gone through.",
    otherwise: "3",
    range: { above: 0, high: 1e9, whole: false },
    advanced: false,
  },
  max_steps: {
    label: "steps",
    explains: "Optimizer steps; wins over the epochs.",
    otherwise: "what the epochs make",
    range: WHOLE,
    advanced: false,
  },
  learning_rate: {
    label: "learning rate",
    explains: "The highest; it rises to it in the first steps and then falls to 0. Otherwise it is chosen by the size of the model.",
    otherwise: "by the model’s size",
    range: { above: 0, high: 1, whole: false },
    advanced: false,
  },
  batch_size: { label: "batch size", explains: "Samples a step.", otherwise: "8", range: { ...WHOLE, high: 1e9 }, advanced: true },
  max_length: {
    label: "longest sample",
    explains: "Tokens of a sample, at most the model’s context.",
    otherwise: "the context, at most 1,024",
    range: { low: 2, high: 1e9, whole: true },
    advanced: true,
  },
  too_long: {
    label: "longer rows",
    explains: "Split makes several samples of a text, so that nothing of it is lost; cut leaves out what is too much; drop leaves out the row.",
    otherwise: "",
    range: null,
    advanced: true,
  },
  lora_rank: {
    label: "rank",
    explains: "Of the adapter: how much it can learn, and how large it is.",
    otherwise: "8",
    range: { low: 1, high: 1024, whole: true },
    advanced: true,
  },
  validation: {
    label: "validation share",
    explains: "How much of the data is kept apart to measure on, such as 0.1. Without it nobody knows which checkpoint is the best.",
    otherwise: "none",
    range: { low: 0, high: 0.9, whole: false },
    advanced: false,
  },
  validate_every: {
    label: "validate every",
    explains: "Steps between two validations.",
    otherwise: "a tenth of the steps",
    range: WHOLE,
    advanced: true,
  },
  early_stopping: {
    label: "early stopping",
    explains: "Ends after so many validations without a better one.",
    otherwise: "off",
    range: WHOLE,
    advanced: true,
  },
  probes: {
    label: "probes",
    explains: `Prompts that are gone on from before the first step and every now and then, to see what changes. One a line, at most ${MAX_PROBES}.`,
    otherwise: "one prompt a line",
    range: null,
    advanced: false,
  },
  probe_every: {
    label: "probe every",
    explains: "Steps between two rounds of probes.",
    otherwise: "an eighth of the steps",
    range: WHOLE,
    advanced: true,
  },
  seed: {
    label: "seed",
    explains: "Of all that is random: the same seed gives the same training.",
    otherwise: "0",
    range: { low: 0, high: 2 ** 32 - 1, whole: true },
    advanced: true,
  },
  text: {
    label: "text",
    explains: "The column that is learnt as a whole, or a template such as {title}: {body}.",
    otherwise: "found by itself",
    range: null,
    advanced: false,
  },
  prompt: {
    label: "prompt",
    explains: "The column, or a template, that is only read.",
    otherwise: "found by itself",
    range: null,
    advanced: false,
  },
  completion: {
    label: "completion",
    explains: "The column, or a template, that is learnt as what follows the prompt. Begin it with a space where one belongs.",
    otherwise: "found by itself",
    range: null,
    advanced: false,
  },
  messages: {
    label: "messages",
    explains: "The column of chats; what the assistant says is learnt.",
    otherwise: "found by itself",
    range: null,
    advanced: true,
  },
};

/** What stands in a field while it is empty; `validated` is whether validation data are given. */
export function otherwiseOf(name: FieldName, validated: boolean): string {
  return name === "validation" && validated ? "the validation data given" : FIELDS[name].otherwise;
}

/** Fields that change what the model would see; the others only change what the training takes. */
export const SEEN: readonly FieldName[] = ["model", "max_length", "too_long", "validation", "text", "prompt", "completion", "messages"];

/** The field that an error's `param` names, as the notebook kernel calls the fields; null: none of them. */
export function fieldOf(param: string | null): FieldName | null {
  return param !== null && Object.hasOwn(FIELDS, param) ? (param as FieldName) : null;
}
