/** What went wrong or goes on, said in the panel, with what to do about it. */

import { grouped } from "../../lib/numbers.ts";
import type { Progress } from "../../protocol.ts";
import { button, make, set } from "./elements.ts";

export interface Action {
  text: string;
  does: string;
  press(): void;
}

export class Notices {
  readonly element = make("div", { class: "gpt-notice", hidden: true });

  /** `missing` is what a saved page doesn't have. */
  say(kind: "error" | "missing" | "sign" | "progress", text: string, action: Action | null = null): void {
    const act = action === null ? null : button(action.text, { does: action.does, class: "gpt-primary", press: () => action.press() });
    const close = kind === "progress" ? null : button("×", { does: "close this message", class: "gpt-close", press: () => this.clear() });
    set(this.element, { role: kind === "error" ? "alert" : "status", "data-kind": kind });
    this.element.replaceChildren(...[make("span", {}, text), act, close].filter((child) => child !== null));
    this.element.hidden = false;
  }

  /** Something else is asked for now: what went wrong before is said again if it still does. */
  outdated(): void {
    const { kind } = this.element.dataset;
    if (kind === "error" || kind === "missing") this.clear();
  }

  clear(): void {
    this.element.hidden = true;
    this.element.replaceChildren();
  }
}

const STAGES: Record<Progress["stage"], string> = {
  starting: "starting the model kernel",
  downloading: "downloading",
  reading: "loading",
  queued: "waiting",
  recording: "reading the text",
  computing: "computing",
};
const MEGABYTE = 1_000_000;

/** What goes on and how far it is: "loading gpt2: 312 of 548 MB". */
export function progressText({ stage, model, done, total }: Progress): string {
  const what = [STAGES[stage], stage === "downloading" || stage === "reading" ? model : ""].filter(Boolean).join(" ");
  if (stage === "queued") return done > 0 ? `${what}: ${done} ahead` : what;
  if (total === 0) return what;
  if (stage === "downloading" || stage === "reading") {
    return `${what}: ${grouped(Math.round(done / MEGABYTE))} of ${grouped(Math.round(total / MEGABYTE))} MB`;
  }
  return `${what}: ${grouped(done)} of ${grouped(total)}`;
}

/** The code that an error of the panel's carries. */
export function codeOfError(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : "";
  return typeof code === "string" ? code : "";
}

export function isCancelled(error: unknown): boolean {
  return (error instanceof Error && error.name === "AbortError") || codeOfError(error) === "cancelled";
}

/** What stands where an answer would, when a view has none: why, or nothing where the panel says so. */
export function insteadOf(error: unknown, failed: (error: unknown) => void): HTMLElement {
  const saved = codeOfError(error) === "not_saved" && error instanceof Error;
  if (!saved) failed(error);
  return make("p", { class: "gpt-explains" }, saved ? error.message : "");
}
