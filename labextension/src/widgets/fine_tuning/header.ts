/** The panel's first line: which job, how it is, how far, and what it can be told. */

import { Endings } from "../../lib/asking.ts";
import { button, make, set } from "../../lib/elements.ts";
import { menu, type Menu } from "../../lib/menu.ts";
import { counted, grouped } from "../../lib/numbers.ts";
import { visible } from "../../lib/text.ts";
import { compact, duration } from "../../lib/ticks.ts";
import { ENDED, type CommandName, type JobInfo } from "../../protocol.ts";
import { numberOf } from "./form-checks.ts";
import { COMMAND_WORDS, stateWords } from "./log-words.ts";
import { possible, type Steering, wrongRate, wrongSteps } from "./steering.ts";
import type { Context } from "./view.ts";

const PAUSES = "pause: gives the memory back, and can go on exactly there";

export class Header {
  readonly element = make("header", { class: "gpt-header gpt-job-header" });
  readonly progress = make("div", { class: "gpt-progress", role: "progressbar", "aria-label": "steps", "aria-valuemin": 0 }, make("div"));
  #context: Context;
  #steering: Steering;
  #endings = new Endings();
  #job = make("span");
  #state = make("span", { class: "gpt-state" });
  #numbers = make("span", { class: "gpt-numbers gpt-number" });
  #pause: HTMLButtonElement;
  #stop: HTMLButtonElement;
  #set: Menu;
  #cancel: Menu;
  #use: HTMLButtonElement;

  constructor(context: Context, steering: Steering, help: () => void) {
    this.#context = context;
    this.#steering = steering;
    this.#pause = button("pause", { does: PAUSES, key: "p", press: () => this.pause() });
    this.#stop = button("stop & keep", { does: "end it now, and keep what it has learnt", key: "k", press: () => this.stop() });
    this.#set = menu("change", "change the learning rate or the number of steps", (close) => this.#fields(close), "c");
    this.#cancel = menu("cancel", "end it as it is; asks first", (close) => this.#question(close), "x");
    this.#use = button("", { does: "copy the line that uses what it has made", key: "y", class: "gpt-use", press: () => this.use() });
    const keys = button("?", { does: "list the keys", key: "?", press: help });
    this.element.append(
      make("span", { class: "gpt-name" }, make("b", {}, "Fine-tune"), " ", this.#job),
      this.#state,
      this.#numbers,
      make(
        "span",
        { class: "gpt-controls" },
        make("span", { class: "gpt-steers" }, this.#use, this.#pause, this.#stop, this.#set.element),
        make("span", { class: "gpt-apart" }, this.#cancel.element, keys),
      ),
    );
    this.#endings.add(() => this.#set.destroy(), () => this.#cancel.destroy());
  }

  update(): void {
    const { info } = this.#context.history;
    if (info === null) return;
    const { pending } = this.#steering;
    text(this.#job, `${visible(info.name)} on ${visible(info.model)}`);
    const state = pending === null ? positioned(info) : COMMAND_WORDS[pending].doing;
    text(this.#state, state);
    set(this.#state, { "data-state": pending === null ? info.state : "pending", title: visible(info.message ?? "") });
    text(this.#numbers, numbersOf(info));
    this.#showProgress(info);
    this.#showControls(info, pending);
  }

  pause(): void {
    const { info } = this.#context.history;
    if (info !== null) this.#steering.tell(possible(info).includes("resume") ? "resume" : "pause");
  }

  stop(): void {
    this.#steering.tell("stop");
  }

  change(): void {
    if (!this.#set.element.hidden) this.#set.element.open = true;
  }

  cancel(): void {
    if (!this.#cancel.element.hidden) this.#cancel.element.open = true;
  }

  use(): void {
    const { info } = this.#context.history;
    if (info?.result != null) this.#context.copy(`%%gpt -m ${usedAs(info)}`);
  }

  /** Closes a menu; whether one was open. */
  back(): boolean {
    return [this.#set, this.#cancel].map((each) => each.close()).includes(true);
  }

  destroy(): void {
    this.#endings.end();
  }

  #showProgress(info: JobInfo): void {
    const share = info.max_steps ? Math.min(1, info.step / info.max_steps) : 0;
    (this.progress.firstChild as HTMLElement).style.width = `${(100 * share).toFixed(2)}%`;
    set(this.progress, { "aria-valuenow": info.step, "aria-valuemax": info.max_steps ?? false, "data-state": info.state });
  }

  #showControls(info: JobInfo, pending: CommandName | null): void {
    const can = this.#context.living ? possible(info) : [];
    const paused = can.includes("resume");
    text(this.#pause, paused ? "resume" : "pause");
    if (this.#pause.dataset.does !== info.state) {
      this.#pause.dataset.does = info.state;
      const does = paused ? "go on where it was, or from its last checkpoint" : PAUSES;
      set(this.#pause, { title: `${does} (p)`, "aria-label": does });
    }
    this.#pause.hidden = !can.includes(paused ? "resume" : "pause");
    this.#stop.hidden = !can.includes("stop");
    this.#set.element.hidden = !can.includes("max_steps");
    this.#cancel.element.hidden = !can.includes("cancel");
    this.#pause.disabled = this.#stop.disabled = pending !== null;
    const made = ENDED.includes(info.state) && info.result !== null;
    this.#use.hidden = !made;
    if (made) text(this.#use, visible(usedAs(info)));
  }

  #fields(close: () => void): HTMLElement[] {
    const { info } = this.#context.history;
    if (info === null) return [];
    const field = (
      { name, value, says: about }: { name: string; value: string; says: string },
      command: CommandName,
      wrong: (text: string) => string | null,
    ): HTMLElement => {
      const input = make("input", { class: "gpt-input", type: "text", size: 9, value, "aria-label": name });
      const says = make("p", { class: "gpt-explains gpt-wrong", role: "alert" });
      const run = (): void => {
        const why = wrong(input.value);
        says.textContent = why ?? "";
        set(input, { "aria-invalid": why !== null });
        if (why !== null) return input.focus();
        this.#steering.tell(command, numberOf(input.value) ?? undefined);
        close();
      };
      input.addEventListener("keydown", (event) => {
        if (event.key === "Enter") run();
      });
      const go = button("set", { does: `set the ${name}`, press: run });
      const line = make("div", { class: "gpt-menu-line" }, make("span", {}, name), input, go);
      return make("div", { class: "gpt-field-set" }, line, make("p", { class: "gpt-explains" }, about), says);
    };
    const rate = info.learning_rate ?? Number(info.chosen.learning_rate ?? NaN);
    return [
      field(
        { name: "learning rate", value: Number.isFinite(rate) ? compact(rate) : "", says: "of the next step; from there the schedule falls to its end" },
        "learning_rate",
        wrongRate,
      ),
      field(
        { name: "steps", value: String(info.max_steps ?? ""), says: `in all; ${counted(info.step, "is", "are")} done` },
        "max_steps",
        (value) => wrongSteps(value, info.step),
      ),
    ];
  }

  #question(close: () => void): HTMLElement[] {
    const { info } = this.#context.history;
    const cancel = (): void => {
      close();
      this.#steering.tell("cancel");
    };
    return [
      make("p", { class: "gpt-question" }, `Cancel ${visible(info?.name ?? "")}? It ends without saving where it is; its checkpoints stay.`),
      make(
        "div",
        { class: "gpt-part-tools" },
        button("go on", { does: "let it go on", press: close }),
        button("cancel it", { does: "cancel the job", class: "gpt-danger", press: cancel }),
      ),
    ];
  }
}

/** The model string of what a job has made that one would use. */
export function usedAs(info: JobInfo): string {
  const best = info.checkpoints.find((each) => each.best);
  if (best === undefined) return info.result ?? "";
  return info.options.method === "lora" ? `${info.result}:best` : `${info.result}:${best.step}`;
}

function positioned(info: JobInfo): string {
  if (info.state !== "queued") return stateWords(info.state, info.reason);
  return info.position ? `queued, ${info.position} before it` : "starting";
}

/** Step, time left and speed; while it runs each as wide as it may become. */
function numbersOf(info: JobInfo): string {
  const total = info.max_steps === null ? "" : grouped(info.max_steps);
  const runs = info.state === "running";
  const parts = [`step ${grouped(info.step).padStart(runs ? total.length : 0, "\u2007")}${total === "" ? "" : `/${total}`}`];
  if (!runs) return parts[0] as string;
  if (info.seconds_left !== null) parts.push(`${duration(info.seconds_left).padStart(5, "\u2007")} left`);
  if (info.tokens_per_second !== null) parts.push(`${grouped(Math.round(info.tokens_per_second)).padStart(6, "\u2007")} tok/s`);
  return parts.join(" · ");
}

/** Text is only written where it is another: screen readers and layout then have nothing to do. */
function text(element: HTMLElement, now: string): void {
  if (element.textContent !== now) element.textContent = now;
}
