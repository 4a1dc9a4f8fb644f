/** What has happened to a job, in words. */

import { byteSize } from "../../lib/byte-sizes.ts";
import { grouped } from "../../lib/numbers.ts";
import { compact } from "../../lib/ticks.ts";
import type { CommandName, Reason } from "../../protocol.ts";
import { lossText } from "./measures.ts";
import type { Mark } from "./source.ts";

const REASONS: Record<Reason, string> = {
  user: "as asked",
  stopped: "stopped, and kept",
  early_stopping: "stopped early: no better validation came",
  disk_full: "the disk is full",
  oom: "the memory does not suffice",
  died: "its process ended without a word",
  not_finite: "the loss is no number any more",
  error: "an error",
  forgotten: "deleted",
};

/** What a command is called, and how it is while it is waited for. */
export const COMMAND_WORDS: Record<CommandName, { name: string; doing: string }> = {
  pause: { name: "pause", doing: "pausing …" },
  resume: { name: "resume", doing: "resuming …" },
  stop: { name: "stop and keep", doing: "stopping …" },
  cancel: { name: "cancel", doing: "cancelling …" },
  learning_rate: { name: "set the learning rate", doing: "setting the learning rate …" },
  max_steps: { name: "set the steps", doing: "setting the steps …" },
};

/** A state with its reason, where it has one: "failed: the disk is full". */
export function stateWords(state: string, reason: string | null): string {
  const words = reason === null || reason === "user" ? "" : (REASONS[reason as Reason] ?? reason.replaceAll("_", " "));
  return words === "" ? state : `${state}: ${words}`;
}

/** One line for the log. */
export function markWords(mark: Mark): string {
  switch (mark.kind) {
    case "validation":
      return validation(mark);
    case "checkpoint":
      return `checkpoint, ${byteSize(mark.bytes)}${mark.loss === null ? "" : `, validation loss ${lossText(mark.loss)}`}`;
    case "state":
      return mark.message === null ? stateWords(mark.state, mark.reason) : `${stateWords(mark.state, mark.reason)}. ${mark.message}`;
    case "command":
      return command(mark);
    case "out_of_memory":
      return `the memory did not suffice: from now on ${samples(mark.micro_batch_size)} at a time, ${grouped(mark.accumulation)} times a step`;
    case "note":
      return mark.message;
  }
}

function validation({ loss, perplexity, accuracy, best }: Extract<Mark, { kind: "validation" }>): string {
  if (loss === null) return "validation: the loss is no number";
  const more = [
    perplexity === null ? "" : `perplexity ${compact(Number(perplexity.toPrecision(4)))}`,
    accuracy === null ? "" : `${(100 * accuracy).toFixed(1)} % of tokens right`,
    best ? "the best so far" : "",
  ].filter(Boolean);
  return [`validation loss ${lossText(loss)}`, ...more].join(", ");
}

function command({ command: name, value, obeyed, message }: Extract<Mark, { kind: "command" }>): string {
  const words = value === null ? COMMAND_WORDS[name].name : `${COMMAND_WORDS[name].name} to ${compact(value)}`;
  return obeyed ? `told to ${words}` : `could not ${words}${message === null ? "" : `: ${message}`}`;
}

function samples(count: number): string {
  return `${grouped(count)} sample${count === 1 ? "" : "s"}`;
}
