/** What went wrong or goes on, said in the panel, with what to do about it. */

import { grouped } from "./numbers.ts";
import type { Progress } from "../protocol.ts";
import { button, make, set } from "./elements.ts";

export interface Action {
  text: string;
  does: string;
  press(): void;
}

/** Milliseconds that a sign stays. */
const SHORTLY = 5_000;
/** Pixels between the panel's parts, as in `panel.css`. */
const GAP = 8;
/** Seconds without another word from which on they are counted. */
const SILENT = 3;

export class Notices {
  readonly element = make("div", { class: "gpt-notice", hidden: true });
  #timer = 0;
  /** What goes on, and since when nothing else was said of it. */
  #going = { text: "", since: 0 };

  /** `missing` is what a saved page doesn't have; a sign goes by itself; `code` stays, to be selected. */
  say(kind: "error" | "missing" | "sign" | "code" | "progress", text: string, action: Action | null = null): void {
    clearInterval(this.#timer);
    const seconds = make("span", { class: "gpt-faint-text", "aria-hidden": "true" });
    const act = action === null ? null : button(action.text, { does: action.does, class: "gpt-primary", press: () => action.press() });
    const close = kind === "progress" ? null : button("×", { does: "close this message", class: "gpt-close", press: () => this.clear() });
    set(this.element, { role: kind === "error" ? "alert" : "status", "data-kind": kind });
    this.element.replaceChildren(...[make("span", {}, text), seconds, act, close].filter((child) => child !== null));
    this.element.hidden = false;
    // A sign lies over what comes below it, which stays where it is: as high as it is and the gap after it.
    const { style, offsetHeight } = this.element;
    style.marginBottom = kind === "sign" ? `${-offsetHeight - GAP}px` : "";
    if (kind === "sign") this.#timer = window.setTimeout(() => this.clear(), SHORTLY);
    if (kind === "progress") this.#count(text, seconds);
    else this.#going.text = "";
  }

  /** Counts the seconds in which nothing new is said, so that waiting doesn't look like the end. */
  #count(text: string, seconds: HTMLElement): void {
    if (this.#going.text !== text) this.#going = { text, since: performance.now() };
    const show = (): void => {
      const passed = Math.floor((performance.now() - this.#going.since) / 1000);
      seconds.textContent = passed < SILENT ? "" : `${passed} s`;
    };
    show();
    this.#timer = window.setInterval(show, 1000);
  }

  /** Something else is asked for now: what went wrong before is said again if it still does. */
  outdated(): void {
    const { kind } = this.element.dataset;
    if (kind === "error" || kind === "missing") this.clear();
  }

  clear(): void {
    clearInterval(this.#timer);
    this.#going.text = "";
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

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
