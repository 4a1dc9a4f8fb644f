/** The probes: a row for each prompt, with what the job makes of it at a step, and how that differs from before the first step. */

import { Endings } from "../../lib/asking.ts";
import { button, make, set, told } from "../../lib/elements.ts";
import { modelText } from "../../lib/model-text.ts";
import { grouped } from "../../lib/numbers.ts";
import { wordDiff } from "../../lib/word-diff.ts";
import { noProbesWords } from "./log-words.ts";
import type { Probe } from "./source.ts";
import type { Context, View } from "./view.ts";

export interface ProbesView extends View {
  /** The probes of an earlier or later step. */
  step(by: number): void;
}

export function probesView({ store, history, announce, living }: Context): ProbesView {
  const endings = new Endings();
  const slider = make("input", { type: "range", class: "gpt-slider", min: 0, step: 1, ...told("the step whose probes are shown (← →)") });
  const at = make("span", { class: "gpt-number gpt-probe-step" });
  const diff = button("diff", {
    does: "mark what is new and what is gone, compared with the first step",
    key: "d",
    class: "gpt-switch",
    press: () => store.set({ probe_diff: !store.get().probe_diff }),
  });
  const tools = make("div", { class: "gpt-part-tools" }, slider, at, diff);
  const rows = make("dl", { class: "gpt-probe-rows" });
  const none = make("p", { class: "gpt-explains" });
  const element = make(
    "section",
    { class: "gpt-part gpt-probes", "aria-label": "probes" },
    make("div", { class: "gpt-part-head" }, make("h4", { class: "gpt-part-title" }, "probes"), tools),
    rows,
    none,
  );
  let version = -1;
  let shownKey = "";
  let steps: number[] = [];

  /** The step that is shown: the chosen one, or the nearest to it that has probes. */
  const shownStep = (): number | undefined => {
    const wanted = store.get().probe_step;
    return wanted === null ? steps.at(-1) : steps.findLast((step) => step <= wanted) ?? steps[0];
  };

  const choose = (index: number): void => {
    const inside = Math.max(0, Math.min(steps.length - 1, index));
    // The last one stays the newest when another comes.
    store.set({ probe_step: inside === steps.length - 1 ? null : (steps[inside] ?? null) });
  };

  const show = (): void => {
    const step = shownStep();
    tools.hidden = step === undefined;
    slider.hidden = diff.hidden = steps.length < 2;
    none.hidden = step !== undefined;
    none.textContent = noProbesWords(history, living);
    const key = JSON.stringify([step, store.get().probe_diff, version]);
    if (key === shownKey) return;
    shownKey = key;
    slider.max = String(Math.max(0, steps.length - 1));
    slider.value = String(step === undefined ? 0 : steps.indexOf(step));
    set(slider, { "aria-valuetext": `step ${step ?? 0}` });
    at.textContent = step === undefined ? "" : `step ${grouped(step)}`;
    set(diff, { "aria-pressed": String(store.get().probe_diff) });
    const first = new Map(history.probes.filter((probe) => probe.step === steps[0]).map((probe) => [probe.index, probe]));
    const here = history.probes.filter((probe) => probe.step === step);
    rows.replaceChildren(...here.flatMap((probe) => rowOf(probe, store.get().probe_diff ? (first.get(probe.index) ?? null) : null)));
  };

  const update = (): void => {
    if (version === history.versions.probes) return show();
    version = history.versions.probes;
    steps = [...new Set(history.probes.map(({ step }) => step))];
    show();
  };

  endings.listen(slider, "input", () => choose(Number(slider.value)));
  endings.add(store.on(["probe_step", "probe_diff"], show));
  return {
    element,
    update,
    step(by) {
      const now = shownStep();
      if (now === undefined) return;
      choose(steps.indexOf(now) + by);
      announce(`probes of step ${shownStep()}`);
    },
    destroy: () => endings.end(),
  };
}

/** The prompt and what follows it; compared with `before`, where there is one. */
function rowOf(probe: Probe, before: Probe | null): HTMLElement[] {
  const text = make("dd", { dir: "auto" });
  if (before === null || before.step === probe.step) {
    text.append(...modelText(probe.text));
  } else {
    for (const { kind, text: part } of wordDiff(before.text, probe.text)) {
      const nodes = modelText(part);
      // Struck through and underlined, for whoever can't tell the colours apart; named for whoever hears them.
      text.append(...(kind === "same" ? nodes : [make(kind === "added" ? "ins" : "del", {}, ...nodes)]));
    }
  }
  return [make("dt", { dir: "auto" }, ...modelText(probe.prompt)), text];
}
