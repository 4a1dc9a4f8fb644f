/** The log's end: what has happened, newest last; it stays at its end unless somebody scrolls up. */

import { Endings } from "../../lib/asking.ts";
import { make, set } from "../../lib/elements.ts";
import { grouped } from "../../lib/numbers.ts";
import { visible } from "../../lib/text.ts";
import { duration } from "../../lib/ticks.ts";
import { KeptAtEnd } from "./kept-at-end.ts";
import { leftOutWords, markWords } from "./log-words.ts";
import type { Mark } from "./source.ts";
import type { Context, View } from "./view.ts";

/** Lines that are in the page; the job's directory has all. */
const SHOWN = 300;

export function logView({ history }: Context): View {
  const earlier = make("p", { class: "gpt-explains" });
  const lines = make("ol", { class: "gpt-log-lines" });
  // A screen reader hears of states only (`job-view.ts`), not of every line.
  const says = { role: "log", "aria-live": "off", "aria-label": "what has happened, newest last" };
  const scroll = make("div", { class: "gpt-log", tabindex: 0, ...says }, earlier, lines);
  const title = make("h4", { class: "gpt-part-title" }, "log");
  const element = make("section", { class: "gpt-part gpt-log-part", "aria-label": "log" }, title, scroll);
  const endings = new Endings();
  const kept = new KeptAtEnd(scroll);
  endings.listen(scroll, "scroll", () => kept.scrolled());
  let version = -1;
  let shown: readonly Mark[] = [];

  const update = (): void => {
    if (version === history.versions.marks) return;
    version = history.versions.marks;
    const wanted = history.marks.slice(-SHOWN);
    show(wanted);
    earlier.textContent = leftOutWords(history.marks.length - wanted.length, history.omitted);
    earlier.hidden = earlier.textContent === "";
    kept.toEnd();
  };

  /** Takes away what is gone, mostly at the beginning, and adds what is new. */
  const show = (wanted: readonly Mark[]): void => {
    const numbers = new Set(wanted.map(({ number }) => number));
    const still = shown.filter(({ number }, at) => {
      const stays = numbers.has(number);
      if (!stays) lines.children[at]?.setAttribute("data-gone", "");
      return stays;
    });
    lines.querySelectorAll("[data-gone]").forEach((line) => line.remove());
    const known = new Set(still.map(({ number }) => number));
    const last = still.at(-1)?.number ?? 0;
    const added = wanted.filter(({ number }) => !known.has(number));
    if (added.every(({ number }) => number > last)) lines.append(...added.map(lineOf));
    else lines.replaceChildren(...wanted.map(lineOf));
    shown = wanted;
  };

  return {
    element,
    update,
    resize: () => kept.again(),
    destroy: () => endings.end(),
  };
}

function lineOf(mark: Mark): HTMLElement {
  const line = make(
    "li",
    {},
    make("span", { class: "gpt-number gpt-faint-text" }, duration(mark.seconds)),
    // Before its first step a process does not know yet where it goes on.
    make("span", { class: "gpt-number gpt-faint-text" }, mark.kind === "state" && mark.step === 0 ? "" : grouped(mark.step)),
    make("span", {}, visible(markWords(mark))),
  );
  set(line, { "data-kind": isBad(mark) ? "bad" : mark.kind });
  return line;
}

function isBad(mark: Mark): boolean {
  if (mark.kind === "command") return !mark.obeyed;
  return mark.kind === "out_of_memory" || (mark.kind === "state" && mark.state === "failed");
}
