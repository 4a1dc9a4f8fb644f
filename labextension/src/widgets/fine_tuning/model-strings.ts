/** What to call the base and each checkpoint of a job in `model=`. */

import type { JobInfo } from "../../protocol.ts";

/** The model string of a step, 0 being the base; null before the job has made anything. */
export function modelAt(info: JobInfo, step: number): string | null {
  if (step === 0) return info.model;
  return info.result === null ? null : `${info.result}:${step}`;
}

/** The steps that can be tried, the base first. */
export function triable(info: JobInfo): number[] {
  return [0, ...info.checkpoints.map(({ step }) => step)].filter((step) => modelAt(info, step) !== null);
}

/** The step of the checkpoint with the best validation, where one is there. */
export function bestStep({ checkpoints, best_step }: JobInfo): number | undefined {
  return (checkpoints.find((each) => each.best) ?? checkpoints.find(({ step }) => step === best_step))?.step;
}

/** The checkpoint that one would use: the best, else the newest; 0 where there is none. */
function recommended(info: JobInfo): number {
  return bestStep(info) ?? Math.max(0, ...info.checkpoints.map(({ step }) => step));
}

/** Of the steps that somebody has chosen those that are there; if none is, the one that one would use. */
export function chosenSteps(info: JobInfo, chosen: readonly number[]): number[] {
  const there = triable(info);
  const found = chosen.filter((step) => there.includes(step));
  return found.length > 0 ? found : [recommended(info)];
}

export function stepName(step: number): string {
  return step === 0 ? "base" : `step ${step.toLocaleString("en-US")}`;
}

/** Of the chosen steps the one that is exported, deleted or looked into: the one that was chosen last, if it still is. */
export function actedOn(chosen: readonly number[], newest: number): number {
  return newest > 0 && chosen.includes(newest) ? newest : (chosen.at(-1) ?? 0);
}
