/** What has happened to a job, in words. */

import { byteSize } from "../../lib/byte-sizes.ts";
import { counted } from "../../lib/numbers.ts";
import { visible } from "../../lib/text.ts";
import { compact } from "../../lib/ticks.ts";
import { type CommandName, ENDED, type JobInfo, type Reason } from "../../protocol.ts";
import type { History } from "./history.ts";
import { lossText } from "./measures.ts";
import type { Mark } from "./source.ts";

const REASONS: Record<Reason, string> = {
  user: "",
  stopped: "stopped, and kept",
  early_stopping: "stopped early: no better validation came",
  disk_full: "the disk is full",
  oom: "out of memory",
  died: "its process has died",
  not_finite: "its loss is no number any more",
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
  const words = reason === null ? "" : (REASONS[reason as Reason] ?? visible(reason.replaceAll("_", " ")));
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
      return `the memory did not suffice: from now on ${counted(mark.micro_batch_size, "sample")} at a time, ${counted(mark.accumulation, "time")} a step`;
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

/** What stands where a job has no checkpoints. */
export function noCheckpointsWords({ info, marks, gone }: Pick<History, "marks" | "gone"> & { info: JobInfo }, living: boolean): string {
  if (gone !== null || marks.some(({ kind }) => kind === "checkpoint")) return "None of its checkpoints is left.";
  if (ENDED.includes(info.state)) return "The job ended before its first checkpoint.";
  if (!living) return "There was no checkpoint when the page was saved.";
  return "The first checkpoint comes with the first validation, or after about a minute.";
}

/** What stands where a job has no probes. */
export function noProbesWords({ info, gone }: Pick<History, "gone"> & { info: JobInfo | null }, living: boolean): string {
  if (info === null) return "";
  if (info.options.probes.length === 0) return "This job has no probes. Give it prompts with probes=[…], to see how what it makes of them changes.";
  if (gone !== null || ENDED.includes(info.state)) return "No probes were made.";
  return living ? "The probes come before the first step." : "There were no probes when the page was saved.";
}

/** What the log does not show: how many lines, and how many marks and probes of a long history. */
export function leftOutWords(lines: number, omitted: number): string {
  const parts = [
    lines > 0 ? `${counted(lines, "earlier line is", "earlier lines are")} left out` : "",
    omitted > 0 ? `${counted(omitted, "mark or probe", "marks and probes")} of a long history ${omitted === 1 ? "is" : "are"} left out` : "",
  ];
  return parts.filter(Boolean).join("; ");
}
